//! Interfaces that are not coercion, but are abused over the same sessions, and their operations.

use crate::wire::Guid;

/// MS-DRSR 1.9.
pub const DRSUAPI: Guid = Guid(0xe351_4235_4b06_11d1_ab04_00c0_4fc2_dcd2);
/// MS-NRPC 1.9.
pub const NETLOGON: Guid = Guid(0x1234_5678_1234_abcd_ef00_0123_4567_cffb);
/// MS-RPRN 1.9.
pub const PRINT: Guid = Guid(0x1234_5678_1234_abcd_ef00_0123_4567_89ab);
/// MS-PAR 1.9.
pub const PRINT_ASYNC: Guid = Guid(0x76f0_3f96_cdfd_44fc_a22c_6495_0a00_1209);
/// MS-SCMR 1.9.
pub const SERVICES: Guid = Guid(0x367a_bb81_9844_35f1_ad32_98f0_3800_1003);
/// MS-TSCH 1.9, ATSvc.
pub const AT: Guid = Guid(0x1ff7_0682_0a51_30e8_076d_740b_e8ce_e98b);
/// MS-TSCH 1.9, ITaskSchedulerService.
pub const TASKS: Guid = Guid(0x86d3_5949_83c9_4044_b424_db36_3231_fd0c);
/// MS-ICPR 1.9.
pub const ENROLMENT: Guid = Guid(0x91ae_6020_9e3c_11cf_8d7c_00aa_00c0_91be);
/// MS-DNSP 1.9.
pub const DNS_SERVER: Guid = Guid(0x50ab_c2a4_574d_40b3_9d66_ee4f_d5fb_a076);

/// True for the operations whose abuse has a name. Of Netlogon those count whose credential is all zero.
#[must_use]
pub fn is_neighbour(interface: Guid, opnum: u16, zero_credential: bool) -> bool {
    match interface {
        // IDL_DRSGetNCChanges, IDL_DRSReplicaAdd, IDL_DRSAddEntry: MS-DRSR 4.1.
        DRSUAPI => matches!(opnum, 3 | 5 | 17),
        // NetrServerReqChallenge, NetrServerAuthenticate2 and 3: MS-NRPC 3.5.4.4.
        NETLOGON => matches!(opnum, 4 | 15 | 26) && zero_credential,
        // RpcAddPrinterDriverEx: MS-RPRN 3.1.4.4.8.
        PRINT => opnum == 89,
        // RpcAsyncAddPrinterDriver: MS-PAR 3.1.4.2.2.
        PRINT_ASYNC => opnum == 39,
        // RCreateServiceW, A, WOW64A, WOW64W and WowService: MS-SCMR 3.1.4.
        SERVICES => matches!(opnum, 12 | 24 | 44 | 45 | 60),
        // NetrJobAdd: MS-TSCH 3.2.5.2.1.
        AT => opnum == 0,
        // SchRpcRegisterTask: MS-TSCH 3.2.5.4.2.
        TASKS => opnum == 1,
        // CertServerRequest: MS-ICPR 3.2.4.1.1.
        ENROLMENT => opnum == 0,
        // R_DnssrvUpdateRecord, R_DnssrvUpdateRecord2: MS-DNSP 3.1.4.
        DNS_SERVER => matches!(opnum, 4 | 9),
        _ => false,
    }
}
