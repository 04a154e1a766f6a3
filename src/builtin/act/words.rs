//! What will happen, for people.

use skitai_actors::balance::operator::SetAside;

use super::wanted::Wanted;
use crate::ipc::acts::Deed;

pub(super) fn title(deed: &Deed) -> String {
    match deed {
        Deed::Drain(of) => format!("Drain {}?", of.on()),
        Deed::Eject(of) => format!("Eject {}?", of.on()),
        Deed::Restore(of) => format!("Restore {}?", of.on()),
        Deed::Reload => "Reload?".to_owned(),
        Deed::Restart => "Restart?".to_owned(),
        Deed::Shutdown => "Shut down?".to_owned(),
        Deed::Log(_) => "Set the levels of the log?".to_owned(),
    }
}

pub(super) fn what(deed: &Deed) -> String {
    match deed {
        Deed::Drain(_) => {
            "It gets no new calls, from any process of this site. The calls that it has may end. Calls to \
                           all members leave it out, and say so. This holds until it is restored, or the site is \
                           restarted."
                .to_owned()
        }
        Deed::Eject(_) => "It gets no calls, from any process of this site, and the calls that it has are ended: some \
                           of them may have done their work. Calls to all members leave it out, and say so. This holds \
                           until it is restored, or the site is restarted."
            .to_owned(),
        Deed::Restore(_) => {
            "It takes part again, with few calls at first; also if its health had ejected it.".to_owned()
        }
        Deed::Reload => {
            "Every process is replaced by a new one, which reads the configuration. No request is lost. If \
                         the configuration cannot be served, everything stays as it is."
                .to_owned()
        }
        Deed::Restart => {
            "Requests under way may finish. Then the site ends and starts anew; meanwhile clients wait or \
                          are refused. To take up a changed configuration, reload is enough."
                .to_owned()
        }
        Deed::Shutdown => "Requests under way may finish. Then the site ends, and this page with it.".to_owned(),
        Deed::Log(levels) => match &levels.levels {
            Some(text) => format!("The log of every process has the levels {text} for {} seconds.", levels.seconds),
            None => "The log of every process has the levels of the start again.".to_owned(),
        },
    }
}

/// What speaks against it; empty if nothing does.
pub(super) fn warning(wanted: &Wanted) -> String {
    let Some(member) = &wanted.member else { return String::new() };
    match (&wanted.deed, member.others, member.is_aside) {
        (Deed::Drain(_) | Deed::Eject(_), 0, _) => {
            format!("No other member of @{} takes calls: every call to it will fail.", member.cluster)
        }
        (Deed::Drain(_), _, Some(SetAside::Drained)) => "It is drained already.".to_owned(),
        (Deed::Eject(_), _, Some(SetAside::Ejected)) => "It is ejected by an operator already.".to_owned(),
        (Deed::Restore(_), _, None) => "No operator keeps it out.".to_owned(),
        _ => String::new(),
    }
}
