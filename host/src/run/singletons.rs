//! The singletons for which the host is a candidate in its cluster, from a start or a reload on.

use crate::config::model::PluginConfig;
use crate::mail::post::Post;
use crate::plugin::shared::HostShared;
use crate::quota::term::ProgramName;

/// Makes the host a candidate for the leases of the singletons among these plugins, each with its place in the roster. `post`
/// is that of the reactor that runs them.
pub(super) fn serve<'a>(
    host: &HostShared,
    plugins: impl Iterator<Item = (&'a PluginConfig, usize)>,
    post: Option<&Post>,
) {
    let Some(cluster) = &host.cluster else { return };
    let wanted = plugins.filter(|(section, _)| section.singleton).map(|(section, place)| {
        let (tenant, plugin) = (section.tenant.clone(), section.name.clone());
        (ProgramName { tenant, plugin }, place)
    });
    cluster.singletons.serve(wanted, post);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::Moment;
    use crate::mail::post::{Notice, StopManner};
    use crate::quota::term::{Term, TermEnd};
    use crate::run::stage::{HandTurned, component, folder};

    /// Turns after which everything that is due has happened.
    const TURNS_TO_SETTLE: usize = 200;

    /// A host that serves an echo, and this component as a singleton.
    fn host(name: &str) -> HandTurned {
        let (program, echo) = (component(name), component("echo"));
        HandTurned::new(
            folder(),
            &format!(
                "[plugins.alone]\n{program}\nisolation = \"plugin\"\nsingleton = true\n\
                 [plugins.echo]\n{echo}\n\
                 [[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"echo\"\n\
                 [cluster]\nnats = [\"nats://127.0.0.1:1\"]\n"
            ),
        )
    }

    fn at(seconds: f64) -> Moment {
        Moment::from_start(Duration::from_secs_f64(seconds))
    }

    /// A term until second 8; its program is told to stop at second 7.
    fn term_of(plugin: &str) -> Arc<Term> {
        let program = ProgramName { tenant: plugin.to_owned(), plugin: plugin.to_owned() };
        Arc::new(Term::new(program, 0, 17, at(8.0), Duration::from_secs(1)))
    }

    fn begin(host: &mut HandTurned) -> Arc<Term> {
        let term = term_of("alone");
        host.carrier.post().tell(Notice::Term(term.clone()));
        settle(host);
        term
    }

    fn settle(host: &mut HandTurned) {
        (0..TURNS_TO_SETTLE).for_each(|_| host.turn());
    }

    /// Moves the clock, and handles what is due.
    fn advance_to(host: &mut HandTurned, seconds: f64) {
        host.hand.advance_to(at(seconds));
        settle(host);
    }

    #[test]
    fn a_program_runs_as_long_as_its_term_is_renewed() {
        let mut host = host("hooks_order");
        let term = begin(&mut host);
        advance_to(&mut host, 6.9);
        assert_eq!(term.how_it_ended(), None);
        term.renew(at(12.0));
        advance_to(&mut host, 10.9);
        assert_eq!(term.how_it_ended(), None);
        // It is told to stop, and has nothing left.
        advance_to(&mut host, 11.0);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Lapsed));
    }

    #[test]
    fn a_program_that_finds_its_term_over_is_not_entered() {
        let mut host = host("hooks_order");
        let term = term_of("alone");
        host.hand.advance_to(at(8.0));
        host.carrier.post().tell(Notice::Term(term.clone()));
        settle(&mut host);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Lapsed));
        let term = begin(&mut host);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Lapsed));
    }

    #[test]
    fn a_term_that_is_taken_away_is_over_at_once() {
        let mut host = host("hooks_order");
        let term = begin(&mut host);
        assert_eq!(term.how_it_ended(), None);
        term.revoke();
        host.carrier.post().tell(Notice::Term(term.clone()));
        settle(&mut host);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Lapsed));
    }

    #[test]
    fn a_program_that_does_not_start_ends_its_term() {
        for name in ["start_fails", "prepare_fails"] {
            let mut host = host(name);
            assert_eq!(begin(&mut host).how_it_ended(), Some(TermEnd::Failed), "{name}");
        }
    }

    #[test]
    fn a_term_of_a_plugin_that_is_not_served_is_not_wanted() {
        let mut host = host("hooks_order");
        let term = term_of("another");
        host.carrier.post().tell(Notice::Term(term.clone()));
        settle(&mut host);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Unwanted));
    }

    #[test]
    fn a_host_that_stops_ends_its_terms_and_takes_no_other() {
        let mut host = host("hooks_order");
        // An open connection delays the stop, but not the end of the term.
        let _peer = host.connect("echo");
        let terms = [begin(&mut host), term_of("alone")];
        host.carrier.post().tell(Notice::Stop(StopManner::Drain));
        assert!(host.turn_until(|_| terms[0].how_it_ended().is_some()));
        assert_eq!(terms[0].how_it_ended(), Some(TermEnd::Unwanted));
        host.carrier.post().tell(Notice::Term(terms[1].clone()));
        assert!(host.turn_until(|_| terms[1].how_it_ended().is_some()));
        assert_eq!(terms[1].how_it_ended(), Some(TermEnd::Unwanted));
    }

    #[test]
    fn one_that_is_parked_leaves() {
        let mut host = host("hooks_order");
        let term = begin(&mut host);
        host.carrier.post().tell(Notice::Parked(0));
        settle(&mut host);
        assert_eq!(term.how_it_ended(), Some(TermEnd::Left));
    }
}
