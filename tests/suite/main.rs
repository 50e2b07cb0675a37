//! The black-box suite: the real host, real sockets, one file per noun. tests/README.md describes how to add a test, a guest or
//! a case.

/// Makes two tests of one function that takes an [`Isolation`](sandloop_tests::Isolation).
macro_rules! each_isolation {
    ($($check:ident),+ $(,)?) => {$(
        mod $check {
            #[test]
            fn connection() {
                super::$check(sandloop_tests::Isolation::Connection);
            }

            #[test]
            fn plugin() {
                super::$check(sandloop_tests::Isolation::Plugin);
            }
        }
    )+};
}

mod activation;
mod admin;
mod admission;
mod amqp;
mod amqp_server;
mod author;
mod build;
mod callbacks;
mod channels;
mod close;
mod cluster;
mod command_line;
mod compile;
mod compile_cache;
mod config;
mod connect;
mod connection;
mod contract;
mod counters;
mod datagrams;
mod deferrable;
mod deferred;
mod descriptors;
mod differential;
mod drain;
mod echo;
mod examples;
mod failure;
mod flood;
mod frames;
mod grants;
mod guest_text;
mod handover;
mod hooks;
mod host_memory;
mod hostile;
mod hostile_pairs;
mod hostile_stop;
mod http;
mod http_client;
mod http_clients;
mod http_files;
mod http_stream;
mod inactivity;
mod inspect;
mod isolation;
mod lifecycle;
mod limits;
mod listeners;
mod load;
mod log;
mod log_queue;
mod missing_exports;
mod native;
mod networks;
mod outbox;
mod pages;
mod pass;
mod peers;
mod pool;
mod processes;
mod proxy;
mod proxy_protocol;
mod proxying;
mod queues;
mod rabbitmq;
mod reactors;
mod reload;
mod samples;
mod sandbox;
mod send_files;
mod service_manager;
mod signals;
mod soak;
mod socket_options;
mod sources;
mod spawn;
mod start;
mod start_tls;
mod stdio;
mod stop;
mod tenants;
mod threads;
mod tick_loop;
mod ticks;
mod timers;
mod tls;
mod tls_clients;
mod transcripts;
mod trial;
mod udp;
mod unix_paths;
mod wasi;
mod wasi_http;
mod watching;
mod websocket;
mod ws_chat;
