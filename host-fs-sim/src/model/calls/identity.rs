//! Users and groups: getuid and its kin, getgroups; setuid and its kin, setgroups.

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::super::arguments::Arguments;
use super::super::permission::Ids;
use super::super::{Done, Model};
use super::done;

/// What leaves a number as it is.
const KEEP: u32 = u32::MAX;
/// NGROUPS_MAX.
const GROUPS_MAX: usize = 65536;

/// The call `name`, if it is one of these.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    let id = |at| given.id(at);
    let (user, group) = (model.identity.user, model.identity.group);
    let privileged = model.identity.is_privileged();
    let number = |id: u32| Ok(Reply::Done(id.into()));
    Some(match name {
        "getuid" => number(user.real),
        "geteuid" => number(user.effective),
        "getgid" => number(group.real),
        "getegid" => number(group.effective),
        "getresuid" => Ok(three(user)),
        "getresgid" => Ok(three(group)),
        "setuid" => users(model, set_one(user, id(0), privileged)),
        "setgid" => groups(model, set_one(group, id(0), privileged)),
        "setreuid" => users(model, set_two(user, id(0), id(1), privileged)),
        "setregid" => groups(model, set_two(group, id(0), id(1), privileged)),
        "setresuid" => {
            let wanted = [id(0), id(1), id(2)];
            if changes_nothing(user, wanted, model.identity.files.uid) {
                return Some(Ok(Reply::Done(0)));
            }
            users(model, set_three(user, wanted, privileged))
        }
        "setresgid" => {
            let wanted = [id(0), id(1), id(2)];
            if changes_nothing(group, wanted, model.identity.files.gid) {
                return Some(Ok(Reply::Done(0)));
            }
            groups(model, set_three(group, wanted, privileged))
        }
        "setfsuid" => {
            let former = model.identity.files.uid;
            if id(0) != KEEP && (privileged || is_one_of(user, former, id(0))) {
                model.identity.files.uid = id(0);
            }
            number(former)
        }
        "setfsgid" => {
            let former = model.identity.files.gid;
            if id(0) != KEEP && (privileged || is_one_of(group, former, id(0))) {
                model.identity.files.gid = id(0);
            }
            number(former)
        }
        "setgroups" => done(set_groups(model, given.numbers(0).unwrap_or_default())),
        "getgroups" => get_groups(model, given.int(0)),
        _ => return None,
    })
}

fn three(ids: Ids) -> Reply {
    Reply::Numbers(0, [ids.real, ids.effective, ids.saved].map(i64::from).to_vec())
}

fn users(model: &mut Model, new: Result<Ids, Errno>) -> Done {
    model.identity.set_users(new?);
    Ok(Reply::Done(0))
}

fn groups(model: &mut Model, new: Result<Ids, Errno>) -> Done {
    model.identity.set_group_ids(new?);
    Ok(Reply::Done(0))
}

/// `setuid(2)`.
fn set_one(ids: Ids, id: u32, privileged: bool) -> Result<Ids, Errno> {
    if id == KEEP {
        Err(Errno::EINVAL)
    } else if privileged {
        Ok(Ids { real: id, effective: id, saved: id })
    } else if id == ids.real || id == ids.saved {
        Ok(Ids { effective: id, ..ids })
    } else {
        Err(Errno::EPERM)
    }
}

/// `setreuid(2)`.
fn set_two(ids: Ids, real: u32, effective: u32, privileged: bool) -> Result<Ids, Errno> {
    let mut new = ids;
    if real != KEEP {
        if !privileged && ![ids.real, ids.effective].contains(&real) {
            return Err(Errno::EPERM);
        }
        new.real = real;
    }
    if effective != KEEP {
        if !privileged && ![ids.real, ids.effective, ids.saved].contains(&effective) {
            return Err(Errno::EPERM);
        }
        new.effective = effective;
    }
    if real != KEEP || effective != KEEP && effective != ids.real {
        new.saved = new.effective;
    }
    Ok(new)
}

/// `setresuid(2)`.
fn set_three(ids: Ids, wanted: [u32; 3], privileged: bool) -> Result<Ids, Errno> {
    let own = [KEEP, ids.real, ids.effective, ids.saved];
    if !privileged && !wanted.iter().all(|id| own.contains(id)) {
        return Err(Errno::EPERM);
    }
    let or = |id: u32, former: u32| if id == KEEP { former } else { id };
    Ok(Ids {
        real: or(wanted[0], ids.real),
        effective: or(wanted[1], ids.effective),
        saved: or(wanted[2], ids.saved),
    })
}

/// Whether `setresuid(2)` would change nothing; then it does not touch the number for files
/// either.
fn changes_nothing(ids: Ids, [real, effective, saved]: [u32; 3], of_files: u32) -> bool {
    (real == KEEP || real == ids.real)
        && (effective == KEEP || effective == ids.effective && effective == of_files)
        && (saved == KEEP || saved == ids.saved)
}

fn is_one_of(ids: Ids, of_files: u32, id: u32) -> bool {
    [ids.real, ids.effective, ids.saved, of_files].contains(&id)
}

fn set_groups(model: &mut Model, groups: Vec<i64>) -> Result<(), Errno> {
    if !model.identity.is_privileged() {
        return Err(Errno::EPERM);
    }
    let mut groups: Vec<u32> = groups.into_iter().map(|group| group as u32).collect();
    if groups.len() > GROUPS_MAX || groups.contains(&KEEP) {
        return Err(Errno::EINVAL);
    }
    groups.sort_unstable();
    model.identity.files.groups = groups.into();
    Ok(())
}

fn get_groups(model: &Model, room: i32) -> Done {
    let groups = &model.identity.files.groups;
    let count = groups.len() as i64;
    match i64::from(room) {
        0 => Ok(Reply::Numbers(count, Vec::new())),
        room if room < count => Err(Errno::EINVAL),
        _ => Ok(Reply::Numbers(count, groups.iter().map(|&group| group.into()).collect())),
    }
}
