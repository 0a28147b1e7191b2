//! The system calls that a pod may not make.
//!
//! Docker's default profile is a list of what is allowed; here a pod has no capability and no way
//! to get one, so a list of what is refused is enough: kernel keyrings (shared by user id, not by
//! namespace), mounting, namespaces, kernel modules, tracing of the kernel, and sockets that leave
//! the network namespace (`AF_VSOCK` reaches the hypervisor).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// A filter cannot be built for this machine.
#[derive(Debug, thiserror::Error)]
#[error("no system call filter can be built for {}", std::env::consts::ARCH)]
pub(crate) struct FilterError(#[source] seccompiler::BackendError);

const REFUSED: &[libc::c_long] = &[
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

const REFUSED_SOCKETS: &[libc::c_int] = &[libc::AF_VSOCK, libc::AF_ALG];

/// The filter as the bytes that `bwrap --seccomp` reads: an array of `struct sock_filter`.
pub(crate) fn filter() -> Result<Vec<u8>, FilterError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    let families = REFUSED_SOCKETS
        .iter()
        .map(|&family| {
            let is_family = SeccompCondition::new(
                0,
                SeccompCmpArgLen::Dword,
                SeccompCmpOp::Eq,
                u64::from(family.unsigned_abs()),
            )?;
            SeccompRule::new(vec![is_family])
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(FilterError)?;
    rules.insert(libc::SYS_socket, families);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(FilterError)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(FilterError)?;
    let program = BpfProgram::try_from(filter).map_err(FilterError)?;
    Ok(program
        .iter()
        .flat_map(|step| {
            let mut bytes = [0; 8];
            bytes[..2].copy_from_slice(&step.code.to_ne_bytes());
            bytes[2] = step.jt;
            bytes[3] = step.jf;
            bytes[4..].copy_from_slice(&step.k.to_ne_bytes());
            bytes
        })
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn the_filter_is_a_whole_number_of_steps() {
        let filter = super::filter().unwrap();
        assert!(!filter.is_empty());
        assert_eq!(filter.len() % 8, 0);
    }
}
