//! What the process may still do once everything is open.
//!
//! A sensor reads what strangers send. If one of them finds a bug, this is what is left to him: no capability, no new
//! program, no look into other processes, no packet socket, no file but those of [`Allow`], and no connection
//! unless an output needs them. To be applied before any thread is started, for threads inherit it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    path_beneath_rules,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// What is still needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Folders, and files that are no regular ones, to read and write: of outputs, state, spool, evidence.
    pub write: Vec<PathBuf>,
    /// Folders and files to read: of rules, configuration, catalogue, captures.
    pub read: Vec<PathBuf>,
    /// Outputs connect to somebody.
    pub connect: bool,
}

/// Why the sandbox could not be entered.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot give up {what}: {cause}; to run without the sandbox all the same, set sandbox = false"
)]
pub struct SandboxError {
    what: &'static str,
    cause: String,
}

impl SandboxError {
    fn new(what: &'static str, cause: impl ToString) -> Self {
        Self {
            what,
            cause: cause.to_string(),
        }
    }
}

/// Files of the system that a connection needs: for names of hosts and certificates of authorities.
const RESOLVING: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/run/systemd/resolve",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
];

/// Gives up everything but `allow`, for this thread and those it starts. Returns what the system could not take
/// away, as sentences.
///
/// # Errors
/// [`SandboxError`] if something that every Linux has cannot be given up.
pub fn enter(allow: &Allow) -> Result<Vec<String>, SandboxError> {
    let mut lacking = Vec::new();
    set_no_new_privs(true).map_err(|e| SandboxError::new("new privileges", e))?;
    lacking.extend(files(allow).map_err(|e| SandboxError::new("access to files", e))?);
    drop_capabilities().map_err(|e| SandboxError::new("capabilities", e))?;
    match TargetArch::try_from(std::env::consts::ARCH) {
        Ok(arch) => {
            let program =
                filter(allow.connect, arch).map_err(|e| SandboxError::new("system calls", e))?;
            seccompiler::apply_filter_all_threads(&program)
                .map_err(|e| SandboxError::new("system calls", e))?;
        }
        Err(_) => lacking.push(format!(
            "system calls are not restricted on {}",
            std::env::consts::ARCH
        )),
    }
    Ok(lacking)
}

/// Landlock. What the kernel is too old for is left out, and told if it is everything.
fn files(allow: &Allow) -> Result<Option<String>, RulesetError> {
    // The newest the crate and this code were tried with; older kernels enforce what they know of it.
    let abi = ABI::V5;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(abi) & !AccessFs::Execute;
    let system = RESOLVING.iter().filter(|_| allow.connect);
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(&allow.read, read))?
        .add_rules(path_beneath_rules(system, read))?
        .add_rules(path_beneath_rules(&allow.write, write))?
        .restrict_self()?;
    Ok((status.ruleset == RulesetStatus::NotEnforced).then(|| {
        "access to files is not restricted: this kernel has no Landlock (Linux 5.13, and `landlock` in its lsm= list)"
            .to_owned()
    }))
}

fn drop_capabilities() -> io::Result<()> {
    // The bounding set can be reduced by who has CAP_SETPCAP only; it matters for new programs, and there will be none.
    for n in 0..u64::BITS {
        let _ = remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << n));
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

/// System calls that are refused whatever their arguments: new programs, other processes, other namespaces, and the
/// ring that would do the refused ones in the kernel's name.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
];

/// The refused calls fail with `EACCES`, which nothing else here gives them: a missing capability is `EPERM`.
fn filter(connect: bool, arch: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let mut families = vec![libc::AF_PACKET];
    if !connect {
        refused.insert(libc::SYS_connect, Vec::new());
        // Without these nothing can be sent without a connection either.
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    let family = |family: libc::c_int| {
        let number = u64::try_from(family).unwrap_or(u64::MAX);
        let is = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number)?;
        SeccompRule::new(vec![is])
    };
    let families: Result<Vec<_>, _> = families.into_iter().map(family).collect();
    refused.insert(libc::SYS_socket, families?);
    SeccompFilter::new(
        refused,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES.unsigned_abs()),
        arch,
    )?
    .try_into()
}
