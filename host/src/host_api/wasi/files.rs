//! Granted folders: each call is wasmtime's own, run on a file thread with copies of the descriptors that it needs.

use std::pin::pin;
use std::sync::{Arc, LazyLock};

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types as engine;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as _;
use wasmtime_wasi::p2::bindings::sync::filesystem::types;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, IoError, ReaddirIterator,
};
use wasmtime_wasi::runtime::poll_noop;

use crate::config::bound::Limit;
use crate::host_api::call::CallEnded;
use crate::host_api::wasi::WaitingView;
use crate::host_api::wasi::file_stream::{FileAccess, FileInput, FileOutput, OpenFile, WritePlace};
use crate::plugin::counters::CounterKey;
use crate::quota::budget::{ByteBudget, Reservation};
use crate::quota::host_memory::{self, ENTRY_BYTES};
use crate::quota::semaphore::Permit;

/// Makes wasmtime call the file system on the calling thread, which is a file thread.
static ON_THIS_THREAD: LazyLock<WasiFilesystemCtx> = LazyLock::new(|| {
    let mut builder = WasiCtx::builder();
    builder.allow_blocking_current_thread(true).build().filesystem().clone()
});

/// The table of a call on its file thread: copies of the descriptors that it needs.
struct CallTable {
    table: ResourceTable,
    context: WasiFilesystemCtx,
}

impl CallTable {
    /// A table with copies of these descriptors.
    fn new<const N: usize>(
        of: [Descriptor; N],
    ) -> FsResult<(CallTable, [Resource<Descriptor>; N])> {
        let mut table = ResourceTable::new();
        let mut handles = of.map(|descriptor| table.push(descriptor).map_err(FsError::trap));
        let mut borrowed = [const { None }; N];
        for (place, handle) in borrowed.iter_mut().zip(&mut handles) {
            let handle = std::mem::replace(handle, Ok(Resource::new_borrow(0)))?;
            *place = Some(handle);
        }
        let handles = borrowed.map(|handle| handle.unwrap_or(Resource::new_borrow(0)));
        Ok((CallTable { table, context: ON_THIS_THREAD.clone() }, handles))
    }

    fn view(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

/// The entries of a folder, read completely, and their host memory.
struct Listing {
    entries: std::vec::IntoIter<FsResult<engine::DirectoryEntry>>,
    _kept: Reservation,
}

impl Listing {
    fn of(entries: ReaddirIterator, memory: &ByteBudget) -> FsResult<Listing> {
        let entries: Vec<_> = entries.into_iter().collect();
        let names = entries.iter().flatten().map(|entry| host_memory::length(&entry.name));
        let bytes = names.fold(0, |sum: u64, name| sum.saturating_add(name + ENTRY_BYTES));
        let kept = memory.reserve(bytes).ok_or(engine::ErrorCode::InsufficientMemory)?;
        Ok(Listing { entries: entries.into_iter(), _kept: kept })
    }
}

/// The result of a future that is ready at its first poll.
fn at_once<T>(call: impl Future<Output = T>) -> FsResult<T> {
    let made = poll_noop(pin!(call));
    made.ok_or_else(|| FsError::trap(wasmtime::format_err!("a call into a file system waits")))
}

fn ended(ended: CallEnded) -> FsError {
    FsError::trap(ended)
}

impl WaitingView<'_> {
    fn threads(&self) -> FileAccess {
        FileAccess {
            calls: self.host.file_calls.clone(),
            tenant: self.plugin.tenant.index,
            memory: self.plugin.tenant.host_memory.clone(),
        }
    }

    /// Runs `work` with copies of these descriptors on a file thread, and waits for it.
    fn on_thread<T: Send + 'static, const N: usize>(
        &mut self,
        handles: &[Resource<Descriptor>; N],
        work: impl FnOnce(&mut CallTable, [Resource<Descriptor>; N]) -> FsResult<T> + Send + 'static,
    ) -> FsResult<T> {
        let mut copies = Vec::with_capacity(N);
        for handle in handles {
            copies.push(self.table.get(handle)?.clone());
        }
        let Ok(copies) = <[Descriptor; N]>::try_from(copies) else {
            return Err(engine::ErrorCode::BadDescriptor.into());
        };
        let answer = self.host.file_calls.add(self.plugin.tenant.index, move || {
            let (mut call, handles) = CallTable::new(copies)?;
            work(&mut call, handles)
        });
        self.call.wait(answer).map_err(ended)??
    }

    /// A permit for one more descriptor; the WASI error is `quota` if there is none.
    fn descriptor(&self) -> FsResult<Arc<Permit>> {
        let permit = self.host.descriptors.acquire(self.plugin.tenant.index);
        let Some(permit) = permit else {
            self.plugin.counters.add(CounterKey::Limit(Limit::FileDescriptors));
            return Err(engine::ErrorCode::Quota.into());
        };
        Ok(Arc::new(permit))
    }

    /// The permit of the descriptor that a stream on this handle keeps open.
    fn descriptor_of(&self, handle: &Resource<Descriptor>) -> Option<Arc<Permit>> {
        self.descriptors.get(&handle.rep()).cloned()
    }

    fn file(&self, handle: &Resource<Descriptor>) -> FsResult<&wasmtime_wasi::filesystem::File> {
        match self.table.get(handle)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Dir(_) => Err(engine::ErrorCode::IsDirectory.into()),
        }
    }

    fn output(
        &mut self,
        handle: &Resource<Descriptor>,
        place: WritePlace,
    ) -> FsResult<Resource<DynOutputStream>> {
        let file = match self.table.get(handle)? {
            Descriptor::File(file) => file,
            Descriptor::Dir(_) => return Err(engine::ErrorCode::BadDescriptor.into()),
        };
        if file.perms.write_not_permitted() {
            return Err(engine::ErrorCode::NotPermitted.into());
        }
        let file = OpenFile { file: file.file.clone(), _descriptor: self.descriptor_of(handle) };
        let output: DynOutputStream = Box::new(FileOutput::new(file, place, self.threads()));
        Ok(self.table.push(output)?)
    }
}

/// Opens a path, if it is a file or a folder. A pipe, a socket or a device is not opened at all, since opening it may
/// block for ever or have side effects.
fn open(
    call: &mut CallTable,
    handle: &Resource<Descriptor>,
    (path_flags, path): (engine::PathFlags, String),
    open_flags: engine::OpenFlags,
    flags: engine::DescriptorFlags,
) -> FsResult<Descriptor> {
    let mut view = call.view();
    let again = || Resource::new_borrow(handle.rep());
    // A missing file may be created; other errors are reported by the open itself.
    if let Ok(found) = at_once(view.stat_at(again(), path_flags, path.clone()))? {
        refuse_special(found.type_)?;
    }
    let opened = at_once(view.open_at(again(), path_flags, path, open_flags, flags))??;
    // The path may have been replaced meanwhile.
    let kind = at_once(view.get_type(Resource::new_borrow(opened.rep())))??;
    refuse_special(kind)?;
    Ok(call.table.delete(opened)?)
}

fn refuse_special(kind: engine::DescriptorType) -> FsResult<()> {
    use engine::DescriptorType as Kind;
    match kind {
        Kind::RegularFile | Kind::Directory | Kind::SymbolicLink => Ok(()),
        Kind::Fifo | Kind::Socket | Kind::BlockDevice | Kind::CharacterDevice | Kind::Unknown => {
            Err(engine::ErrorCode::NotPermitted.into())
        }
    }
}

impl types::Host for WaitingView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        error.downcast().map(|code: engine::ErrorCode| code.into())
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<IoError>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        let error = self.table.get(&error)?.downcast_ref::<std::io::Error>();
        Ok(error.map(|error| engine::ErrorCode::from(error).into()))
    }
}

impl types::HostDescriptor for WaitingView<'_> {
    fn read_via_stream(
        &mut self,
        handle: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let file = OpenFile {
            file: self.file(&handle)?.file.clone(),
            _descriptor: self.descriptor_of(&handle),
        };
        let input: DynInputStream = Box::new(FileInput::new(file, offset, self.threads()));
        Ok(self.table.push(input)?)
    }

    fn write_via_stream(
        &mut self,
        handle: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.output(&handle, WritePlace::At(offset))
    }

    fn append_via_stream(
        &mut self,
        handle: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.output(&handle, WritePlace::End)
    }

    fn advise(
        &mut self,
        handle: Resource<Descriptor>,
        offset: u64,
        length: u64,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.on_thread(&[handle], move |call, [handle]| {
            at_once(engine::HostDescriptor::advise(
                &mut call.view(),
                handle,
                offset,
                length,
                advice.into(),
            ))?
        })
    }

    fn sync_data(&mut self, handle: Resource<Descriptor>) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::sync_data(&mut call.view(), handle))?
        })
    }

    fn sync(&mut self, handle: Resource<Descriptor>) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::sync(&mut call.view(), handle))?
        })
    }

    fn get_flags(&mut self, handle: Resource<Descriptor>) -> FsResult<types::DescriptorFlags> {
        self.on_thread(&[handle], |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::get_flags(&mut call.view(), handle))??.into())
        })
    }

    fn get_type(&mut self, handle: Resource<Descriptor>) -> FsResult<types::DescriptorType> {
        self.on_thread(&[handle], |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::get_type(&mut call.view(), handle))??.into())
        })
    }

    fn set_size(&mut self, handle: Resource<Descriptor>, size: u64) -> FsResult<()> {
        self.on_thread(&[handle], move |call, [handle]| {
            at_once(engine::HostDescriptor::set_size(&mut call.view(), handle, size))?
        })
    }

    fn set_times(
        &mut self,
        handle: Resource<Descriptor>,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.on_thread(&[handle], move |call, [handle]| {
            at_once(engine::HostDescriptor::set_times(
                &mut call.view(),
                handle,
                accessed.into(),
                modified.into(),
            ))?
        })
    }

    fn set_times_at(
        &mut self,
        handle: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.on_thread(&[handle], move |call, [handle]| {
            let (accessed, modified) = (accessed.into(), modified.into());
            let (view, flags) = (&mut call.view(), path_flags.into());
            let set =
                engine::HostDescriptor::set_times_at(view, handle, flags, path, accessed, modified);
            at_once(set)?
        })
    }

    fn read(
        &mut self,
        handle: Resource<Descriptor>,
        length: u64,
        offset: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.on_thread(&[handle], move |call, [handle]| {
            at_once(engine::HostDescriptor::read(&mut call.view(), handle, length, offset))?
        })
    }

    fn write(
        &mut self,
        handle: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: u64,
    ) -> FsResult<u64> {
        self.on_thread(&[handle], move |call, [handle]| {
            at_once(engine::HostDescriptor::write(&mut call.view(), handle, bytes, offset))?
        })
    }

    fn read_directory(
        &mut self,
        handle: Resource<Descriptor>,
    ) -> FsResult<Resource<ReaddirIterator>> {
        let memory = self.plugin.tenant.host_memory.clone();
        let listing = self.on_thread(&[handle], move |call, [handle]| {
            let entries =
                at_once(engine::HostDescriptor::read_directory(&mut call.view(), handle))??;
            Listing::of(call.table.delete(entries)?, &memory)
        })?;
        // WASI's type has no field for the permit, so the handle leads to a type of ours.
        Ok(Resource::new_own(self.table.push(listing)?.rep()))
    }

    fn create_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::create_directory_at(&mut call.view(), handle, path))?
        })
    }

    fn stat(&mut self, handle: Resource<Descriptor>) -> FsResult<types::DescriptorStat> {
        self.on_thread(&[handle], |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::stat(&mut call.view(), handle))??.into())
        })
    }

    fn stat_at(
        &mut self,
        handle: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        self.on_thread(&[handle], move |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::stat_at(
                &mut call.view(),
                handle,
                path_flags.into(),
                path,
            ))??
            .into())
        })
    }

    fn link_at(
        &mut self,
        handle: Resource<Descriptor>,
        path_flags: types::PathFlags,
        old: String,
        new_handle: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.on_thread(&[handle, new_handle], move |call, [handle, new_handle]| {
            at_once(engine::HostDescriptor::link_at(
                &mut call.view(),
                handle,
                path_flags.into(),
                old,
                new_handle,
                new,
            ))?
        })
    }

    fn open_at(
        &mut self,
        handle: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
        open_flags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let permit = self.descriptor()?;
        let opened = self.on_thread(&[handle], move |call, [handle]| {
            open(call, &handle, (path_flags.into(), path), open_flags.into(), flags.into())
        })?;
        let opened = self.table.push(opened)?;
        self.descriptors.insert(opened.rep(), permit);
        Ok(opened)
    }

    fn readlink_at(&mut self, handle: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::readlink_at(&mut call.view(), handle, path))?
        })
    }

    fn remove_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::remove_directory_at(&mut call.view(), handle, path))?
        })
    }

    fn rename_at(
        &mut self,
        handle: Resource<Descriptor>,
        old: String,
        new_handle: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.on_thread(&[handle, new_handle], |call, [handle, new_handle]| {
            at_once(engine::HostDescriptor::rename_at(
                &mut call.view(),
                handle,
                old,
                new_handle,
                new,
            ))?
        })
    }

    fn symlink_at(
        &mut self,
        handle: Resource<Descriptor>,
        old: String,
        new: String,
    ) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::symlink_at(&mut call.view(), handle, old, new))?
        })
    }

    fn unlink_file_at(&mut self, handle: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.on_thread(&[handle], |call, [handle]| {
            at_once(engine::HostDescriptor::unlink_file_at(&mut call.view(), handle, path))?
        })
    }

    fn is_same_object(
        &mut self,
        handle: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let same = self.on_thread(&[handle, other], |call, [handle, other]| {
            at_once(engine::HostDescriptor::is_same_object(&mut call.view(), handle, other))?
                .map_err(FsError::trap)
        });
        // The function has no error code: other failures trap.
        same.map_err(|error| wasmtime::format_err!("{error:?}"))
    }

    fn metadata_hash(
        &mut self,
        handle: Resource<Descriptor>,
    ) -> FsResult<types::MetadataHashValue> {
        self.on_thread(&[handle], |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::metadata_hash(&mut call.view(), handle))??.into())
        })
    }

    fn metadata_hash_at(
        &mut self,
        handle: Resource<Descriptor>,
        path_flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        self.on_thread(&[handle], move |call, [handle]| {
            Ok(at_once(engine::HostDescriptor::metadata_hash_at(
                &mut call.view(),
                handle,
                path_flags.into(),
                path,
            ))??
            .into())
        })
    }

    fn drop(&mut self, handle: Resource<Descriptor>) -> wasmtime::Result<()> {
        // Closing may block in the file system too.
        let permit = self.descriptors.remove(&handle.rep());
        let descriptor = self.table.delete(handle)?;
        let close = move || drop((descriptor, permit));
        drop(self.host.file_calls.add(self.plugin.tenant.index, close));
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for WaitingView<'_> {
    fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        let entry = listing.entries.next().transpose()?;
        Ok(entry.map(Into::into))
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}
