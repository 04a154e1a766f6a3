//! What the fields of the form mean.

use super::{needed, text};
use crate::app::acting::{MeantMember, check_levels, levels_with};
use crate::app::{Error, Form, Result, Was};
use crate::config::read_time;
use crate::ipc::acts::{Deed, MemberDeed};
use crate::ipc::messages::LogLevels;

/// How long the log has other levels, where the form does not say it.
const LASTING: &str = "10m";
/// The longest reason, in characters.
const LONGEST_WHY: usize = 200;

/// What is wanted, and the member that is meant, if one is.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) deed: Deed,
    pub(super) member: Option<MeantMember>,
    /// Those of a form that means the same.
    pub(super) fields: Fields,
}

type Fields = Vec<(&'static str, String)>;

/// Reads the form.
pub(super) fn wanted(was: &Was, form: &Form) -> Result<Wanted> {
    let action = needed(form, "action")?;
    let action_field = || ("action", action.clone());
    let of_member = |deed: fn(MemberDeed) -> Deed| {
        let (cluster, member) = (needed(form, "cluster")?, needed(form, "member")?);
        let meant = was.services().meant(&cluster, &member).map_err(|why| Error::new(404, why.to_string()))?;
        let why: String = text(form, "why").chars().take(LONGEST_WHY).collect();
        let (cluster, member) = (meant.cluster.clone(), meant.node.clone());
        let fields = vec![action_field(), ("cluster", cluster), ("member", member), ("why", why.clone())];
        Ok(Wanted { deed: deed(meant.deed(&why)), member: Some(meant), fields })
    };
    let of_instance = |deed| Ok(Wanted { deed, member: None, fields: vec![action_field()] });
    match action.as_str() {
        "drain" => of_member(Deed::Drain),
        "eject" => of_member(Deed::Eject),
        "restore" => of_member(Deed::Restore),
        "reload" => of_instance(Deed::Reload),
        "restart" => of_instance(Deed::Restart),
        "shutdown" => of_instance(Deed::Shutdown),
        "log" => {
            let (levels, mut fields) = levels(form)?;
            fields.push(action_field());
            Ok(Wanted { deed: Deed::Log(levels), member: None, fields })
        }
        _ => Err(Error::new(
            400,
            "the field `action` is one of drain, eject, restore, reload, restart, shutdown and log",
        )),
    }
}

/// `level` for all of the log, or for the part of it that `target` names; `default` for the levels of the start. The
/// fields of a form that says the same come along.
fn levels(form: &Form) -> Result<(LogLevels, Fields)> {
    let (level, target) = (needed(form, "level")?, text(form, "target"));
    let lasting = Some(text(form, "for")).filter(|text| !text.is_empty()).unwrap_or_else(|| LASTING.to_owned());
    let seconds = read_time(&lasting).map_err(|why| Error::new(400, format!("the field `for`: {why}")))?.as_secs();
    let levels = match (level.as_str(), target.as_str()) {
        ("default", _) => None,
        (level, "") => Some(level.to_owned()),
        (level, target) => Some(levels_with(target, level)),
    };
    if let Some(levels) = &levels {
        check_levels(levels).map_err(|why| Error::new(400, why))?;
    }
    Ok((LogLevels { levels, seconds: seconds.max(1) }, vec![("level", level), ("target", target), ("for", lasting)]))
}
