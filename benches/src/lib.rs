//! The workloads: what a sandbox costs, as a ratio to a native server that does the same work.
//!
//! # Layout
//!
//! [`cli`] (what to run, with [`options`]) → [`subject`] (the servers compared, [`host_config`] for ours, [`envoy`]) →
//! [`process`] (a server started, watched, ended) → [`load`] (generator and workloads) →
//! [`measure`] (rounds, interleaved) and [`idle`] (memory) → [`record`] (the figures) → [`report`] (tables, raw file).
//! [`native`] is the baseline server; [`machine`] says where the numbers were made; [`sys`] holds
//! the few calls that the standard library lacks. [`http`] is a bench of its own: wrk against web servers; so is
//! [`amqp`]: clients of a broker. [`neighbour`] measures what a good tenant notices of hostile ones, [`density`] what very many
//! sandboxes take, [`plot`] draws what `echo` has recorded. [`tls`], [`udp`], [`proxy`], [`files`] and [`cluster`] are each a
//! [`contest`] between servers that are [`listening`] children, [`nginx`] among them.
//!
//! Linux only: the measurements come from `/proc` and from the clocks of other processes.

pub mod amqp;
pub mod cli;
pub mod cluster;
pub mod contest;
pub mod density;
pub mod envoy;
pub mod files;
pub mod host_config;
pub mod http;
pub mod idle;
pub mod listening;
pub mod load;
pub mod machine;
pub mod measure;
pub mod native;
pub mod neighbour;
pub mod nginx;
pub mod options;
pub mod plot;
pub mod process;
pub mod proxy;
pub mod record;
pub mod report;
pub mod subject;
pub mod sys;
pub mod tls;
pub mod touched;
pub mod udp;
