//! The bindings of `wasi:http`. Its resources are the host's; those of `wasi:io` and of the clocks are wasmtime's.

wasmtime::component::bindgen!({
    path: "wasi",
    world: "sandloop:wasi/http",
    imports: { default: trappable },
    require_store_data_send: true,
    with: {
        "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:http/types.fields": super::resources::Fields,
        "wasi:http/types.incoming-request": super::resources::IncomingRequest,
        "wasi:http/types.incoming-body": super::resources::IncomingBody,
        "wasi:http/types.future-trailers": super::resources::FutureTrailers,
        "wasi:http/types.outgoing-request": super::resources::OutgoingRequest,
        "wasi:http/types.request-options": super::resources::RequestOptions,
        "wasi:http/types.response-outparam": super::resources::ResponseOutparam,
        "wasi:http/types.outgoing-response": super::resources::OutgoingResponse,
        "wasi:http/types.outgoing-body": super::resources::OutgoingBody,
        "wasi:http/types.incoming-response": super::resources::IncomingResponse,
        "wasi:http/types.future-incoming-response": super::resources::FutureResponse,
    },
});
