//! Every bound in the sensor: its unit, its reason, and what happens when it is met.
//!
//! A peer on the wire chooses how many flows, fragments, sessions, pipes and exchanges there
//! are. None of them may grow memory past what `relaywatch -T` prints.

/// Bytes of one capture block; frames are read straight into it.
///
/// 256 KiB stays in a core's L2 cache, so the headers are still warm when they are walked.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// Largest frame accepted from a file, bytes. A record that claims more ends the file as corrupt.
pub const FRAME_BYTES: usize = 512 * 1024;
/// Bytes of lines waiting for the thread of one output. Live, what has no room is lost and counted, protocol
/// events first: alerts and incidents may take as much again.
pub const MAILBOX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of lines that wait in memory for a receiver over a socket without a spool. Beyond it the oldest protocol
/// events are lost and counted, then the oldest alerts.
pub const OUTPUT_QUEUE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of lines in the spool of one output; the file is up to four times that. Beyond it as for the queue.
pub const SPOOL_BYTES: u64 = 256 * 1024 * 1024;
/// Lines in one request over HTTP.
pub const HTTP_LINES: usize = 500;
/// Seconds for an answer over HTTP.
pub const HTTP_SECS: u64 = 30;
/// Batches waiting for one worker. Live, a queue that stays full for [`QUEUE_MILLIS`] drops the newest batch and counts it.
pub const QUEUE_BATCHES: usize = 16;
/// Milliseconds that the capture thread waits for a full queue, live, while packets wait in the kernel's ring.
pub const QUEUE_MILLIS: u64 = 100;

/// Milliseconds between ticks on a silent interface: detections that wait are that much late, and each costs every
/// thread a wake-up.
pub const TICK_MILLIS: i64 = 2;
/// Milliseconds that an interface may be behind the others before they stop waiting for it. What it delivers
/// after that is processed with the time at which it came, and counted as `late`.
pub const SKEW_MILLIS: u64 = 100;
/// Blocks waiting to be merged, of one of several captures. Then its ring fills, and the kernel counts what is dropped.
pub const MERGE_BLOCKS: usize = 4;

/// VLAN tags taken off a frame (two are common). A frame with more counts as not IP.
pub const VLAN_TAGS: usize = 4;
/// IPv6 extension headers and authentication headers passed over in one IP packet. One with more is dropped
/// and counted as malformed; a peer may chain hundreds in a frame.
pub const EXTENSION_HEADERS: usize = 16;
/// Tunnels and reassembled datagrams opened within one frame. What is deeper is dropped and counted.
pub const TUNNELS: usize = 8;

/// Labels in one MPLS stack; four are many. A longer one is dropped and counted as not IP.
pub const MPLS_LABELS: usize = 16;

/// Milliseconds within which the same packet again is a copy that a mirror port made. Switches send both within one;
/// retransmissions take longer, but for fast ones.
pub const TWICE_MILLIS: u64 = 50;
/// Fingerprints of packets remembered for that, 16 bytes each: 64 KiB stay in the second cache. Copies further apart
/// are counted as retransmissions.
pub const TWICE_SLOTS: usize = 4096;

/// IP datagrams being put together at once. Beyond it the oldest is dropped and counted.
pub const DEFRAG_DATAGRAMS: usize = 1024;
/// Bytes of fragments held in all. Beyond it the oldest datagram is dropped and counted.
pub const DEFRAG_BYTES: usize = 4 * 1024 * 1024;
/// Seconds after which an incomplete datagram is dropped (RFC 791 suggests 15, Linux uses 30).
pub const DEFRAG_SECS: u64 = 30;

/// Bytes shown to a decoder and not taken, per direction: the largest head a decoder may ask for.
///
/// A `need` beyond it is answered with a gap, and the decoder finds its feet again.
pub const TAIL_BYTES: usize = 64 * 1024 + 512;
/// Bytes of out-of-order segments held, per direction. Beyond it the hole is declared a gap.
pub const AHEAD_BYTES: usize = 256 * 1024;
/// Out-of-order segments held, per direction. Beyond it the hole is declared a gap.
pub const AHEAD_SEGMENTS: usize = 64;
/// Seconds a hole may stay open before it is declared a gap.
pub const HOLE_SECS: u64 = 2;
/// Segments held behind a hole that its receiver has acknowledged before it is declared a gap.
///
/// The receiver has the bytes, so the capture missed them, unless the mirror port swapped a few
/// packets. Three is what TCP itself takes for loss rather than reordering (RFC 5681 3.2).
pub const HOLE_ACKED_SEGMENTS: usize = 3;
/// Share of the memory budget for bytes held by all assemblers of all workers, percent.
pub const HELD_SHARE: u64 = 26;
/// Share of the memory budget for flow records, percent.
pub const FLOW_SHARE: u64 = 25;
/// Share of the memory budget for decoder state, percent: a quarter of it for virtual connections of
/// RPC over HTTP, the rest for the decoders of flows.
///
/// When it is met, a flow that grew and holds more than [`DECODER_FAIR_BYTES`] is not decoded any
/// more: what it has unfinished is reported first, its protocol stays known. Is it a smaller one
/// that grew, flows idle longest are given up until there is room, which are the large ones that
/// somebody left unfinished before; a flow that goes on is picked up in its middle. Virtual
/// connections unused longest are forgotten. All is counted as `evicted.decoders`.
pub const DECODER_SHARE: u64 = 20;
/// Bytes of decoder state that one flow may hold while its worker's share is exceeded; a thousandth of
/// the share where that is more.
pub const DECODER_FAIR_BYTES: usize = 16 * 1024;
/// Packets after which a worker looks whether flows must be given up for their decoders' state.
/// Until then the state grows by as much as these packets bring.
pub const DECODER_PACKETS: usize = 256;
/// Share of the memory budget for the correlator, percent. The rest is blocks and queues.
pub const CORRELATE_SHARE: u64 = 24;

/// Seconds without a packet after which a flow that only saw a SYN is forgotten.
pub const FLOW_NEW_SECS: u64 = 30;
/// Seconds without a packet after which a flow nobody decodes is forgotten.
pub const FLOW_BYPASSED_SECS: u64 = 120;
/// Seconds without a packet after which a decoded flow is forgotten.
pub const FLOW_SECS: u64 = 900;
/// Seconds without a datagram after which a conversation of UDP that was answered is forgotten. One that
/// was not counts as a flow that only saw a SYN. Resolvers take a new port for every question, so
/// this is short; a retry of Kerberos or CLDAP comes within seconds.
pub const FLOW_UDP_SECS: u64 = 60;
/// Seconds a closed flow is remembered, so that late segments do not open it again.
pub const FLOW_CLOSED_SECS: u64 = 10;
/// Seconds without a packet after which a SYN with another sequence number opens a new flow at once.
///
/// Before that it may be forged to make the sensor let go of a live connection; then only the
/// server's SYN/ACK to it counts.
pub const FLOW_REUSE_SECS: u64 = 10;

/// Bytes of one call's stub kept while its fragments arrive.
///
/// A peer chooses how many fragments to send. Past this the head is kept, which holds the
/// path a coercion call names; the rest is counted only and reported as `rpc.stub_truncated`.
pub const STUB_BYTES: usize = 64 * 1024;
/// Bytes of unfinished calls kept in all of one RPC connection. Beyond it stubs are counted, not kept.
pub const RPC_PARTIAL_BYTES: usize = 4 * STUB_BYTES;
/// Bytes of a request or response that is read whole whatever it calls. A longer one of no interest
/// is read from its head and passed over.
pub const RPC_WHOLE_BYTES: usize = 4096;
/// Bytes that are no PDU before an RPC connection is given up.
pub const RPC_NONSENSE_BYTES: usize = 256 * 1024;
/// Times an RPC connection may lose its framing, and anomalies reported of it, before it is given up.
pub const RPC_FAILURES: u32 = 16;
/// Calls of one RPC connection whose fragments or answers are awaited. Beyond it the oldest is forgotten.
pub const RPC_CALLS: usize = 64;
/// Presentation contexts of one RPC connection. Beyond it the oldest is forgotten.
pub const RPC_CONTEXTS: usize = 256;
/// Security contexts of one RPC connection (MS-RPCE 3.3.1.5.4 allows 2,000). Beyond it the oldest is forgotten.
pub const RPC_AUTH_CONTEXTS: usize = 64;
/// Calls of connectionless DCE/RPC that wait for their last fragment, of one worker. A client sends the next once the server
/// acknowledges, so few are open at once.
pub const CL_CALLS: usize = 64;
/// Stub of one of them. A path is at most 64 KiB in UTF-16 and comes early; coercion needs a few hundred bytes.
pub const CL_STUB_BYTES: usize = 16 * 1024;
/// Characters shown of one argument of a call (a service's command, a certificate request's attributes).
/// The rest is not shown.
pub const RPC_ARGUMENT_CHARS: usize = 1024;
/// Dynamic endpoints remembered per worker, as endpoint mappers told them. Beyond it the oldest is
/// forgotten: a flow to it whose bind was missed has no interface name.
pub const RPC_ENDPOINTS: usize = 4096;
/// Virtual connections of RPC over HTTP per worker. Beyond it the oldest is forgotten.
pub const RPCH_CONNECTIONS: usize = 4096;
/// Open pipes of one SMB connection. Beyond it one is forgotten that carried nothing, or else the one idle longest,
/// which is said once a connection: what is bound on it is not known to a later call.
pub const SMB_PIPES: usize = 64;
/// Bytes that the pipes of one SMB connection may hold. Beyond it the one that grew reports its
/// unfinished calls with what there is, and drops what it kept.
pub const SMB_PIPES_BYTES: usize = 512 * 1024;
/// Sessions of one SMB connection. Beyond it the oldest is forgotten.
pub const SMB_SESSIONS: usize = 64;
/// Tree connects of one SMB connection. Beyond it the oldest is forgotten.
pub const SMB_TREES: usize = 128;
/// Transactions of one SMB 1 connection whose data is not all there. Beyond it the oldest is forgotten.
pub const SMB_TRANSACTIONS: usize = 4;
/// Pieces of one of them that came before their turn. Beyond it the transaction is forgotten, and that is said.
pub const SMB_TRANSACTION_PIECES: usize = 16;
/// Bytes held for these pieces; likewise. A transaction on a pipe has 64 KiB at most.
pub const SMB_TRANSACTION_BYTES: usize = 64 * 1024;
/// Requests of one SMB connection whose answers are awaited. Beyond it the oldest is forgotten.
pub const SMB_PENDING: usize = 256;
/// Bytes of a share's, file's or pipe's name kept until its request is answered: 260 UTF-16 units.
pub const SMB_NAME_BYTES: usize = 520;
/// Addresses that are taken from what one SMB server tells of its interfaces.
pub const SMB_INTERFACES: usize = 16;
/// Sizes of encrypted messages kept of one SMB connection and direction: its first ones. A coercion by EFSR has
/// six or seven from the client; what comes later is counted.
pub const SMB_ENCRYPTED_SIZES: usize = 16;
/// Seconds from an encrypted message that binds a pipe to the callback's first packet. Coerced services
/// connect within milliseconds of the call, WebClient within a second; what comes later is not joined.
pub const ENCRYPTED_CALLBACK_SECS: u64 = 2;
/// Seconds a ticket given by a KDC is remembered: the usual life of a ticket (10 hours).
pub const TICKET_SECS: u64 = 36_000;
/// Addresses that are remembered to have answered as a KDC; the oldest goes.
pub const KDCS: usize = 1024;
/// Encrypted messages of a client after which their shape is said at once, before the connection's end.
pub const SMB_SHAPE: u64 = 8;
/// Bytes of a compressed SMB message that is looked into, both compressed and not. A larger one that may hold
/// something else than file data is counted and said.
pub const SMB_PLAIN_BYTES: usize = 64 * 1024;
/// How many times larger than its compressed form such a message may be, so that a packet of small ones cannot
/// cost megabytes; what is larger is treated as too large.
pub const SMB_PLAIN_RATIO: usize = 32;
/// Bytes to which a message may grow whatever its ratio: more than a fragment on a pipe, 5,840 at most.
pub const SMB_PLAIN_FEW: usize = 8 * 1024;
/// Bytes of a user's or domain's name kept until a session setup is answered. Longer ones are cut.
pub const SMB_ACCOUNT_BYTES: usize = 512;
/// Bytes of a stream that never was SMB searched for a message before the flow is given up.
pub const SMB_LOST_BYTES: u64 = 64 * 1024;
/// Bytes of a message on a pipe kept while it is not whole.
pub const PIPE_BYTES: usize = 64 * 1024;
/// Bytes of an HTTP head, request or response (Kerberos tokens with large PACs need about 48 KiB).
pub const HTTP_HEAD_BYTES: usize = 64 * 1024;
/// HTTP requests of one connection whose responses are awaited.
pub const HTTP_PENDING: usize = 64;
/// Bytes of a URL, host or other header value kept of a request.
pub const HTTP_VALUE_BYTES: usize = 1024;
/// Bytes of one line inside an HTTP body: chunk size with its extensions, or a trailer field.
/// A longer one ends the tracking of that body.
pub const HTTP_LINE_BYTES: usize = 4096;
/// Bytes an LDAP message or a SASL buffer may claim; AD itself takes at most 10 MiB (`MaxReceiveBuffer`).
/// A length beyond it is taken for a loss of framing. Answers can be larger than requests.
pub const LDAP_LENGTH: usize = 64 * 1024 * 1024;
/// Bytes of an LDAP message that is read whole; a longer one is skipped after its head.
pub const LDAP_MESSAGE_BYTES: usize = 64 * 1024;
/// Bytes of each text made of an LDAP request: filter, names of attributes, classes. Beyond it they end.
pub const LDAP_TEXT_BYTES: usize = 2048;
/// Filters inside each other that are written out; servers take more, people do not.
pub const LDAP_FILTER_DEPTH: usize = 24;
/// Attributes of one LDAP request whose names are listed. Beyond it they are only counted in values and bytes.
pub const LDAP_ATTRIBUTES: usize = 128;
/// Bytes of a TLS handshake message kept while it is spread over records: hellos and certificates
/// are shorter but for chains that nobody uses. A longer one ends the reading.
pub const TLS_HANDSHAKE_BYTES: usize = 32 * 1024;
/// Bytes of each text kept of a TLS handshake; DNS names have 253 at most.
pub const TLS_NAME_BYTES: usize = 2048;
/// DNS names read of a certificate.
pub const TLS_NAMES: usize = 32;
/// Bytes of the attributes of a certificate request kept while its form goes by. Longer ones are cut.
pub const HTTP_FORM_BYTES: usize = 2048;
/// Bytes of a statement of SQL Server that are searched for a path. What is behind them is passed over.
pub const TDS_STATEMENT_BYTES: usize = 64 * 1024;
/// Bytes of a TDS logon message kept while it is spread over packets. A longer one is passed over.
pub const TDS_MESSAGE_BYTES: usize = 64 * 1024;
/// Bytes of a line of SMTP, IMAP or POP3 (RFC 4954 4 asks for 12,288 of a token). A longer one is passed over.
pub const MAIL_LINE_BYTES: usize = 32 * 1024;
/// Outstanding LDAP binds of one connection.
pub const LDAP_PENDING: usize = 16;
/// Bytes of a Kerberos name shown: parts of a principal with `/` between them. AD's longest host and service
/// names have 255 each; what is longer is cut.
pub const KRB_NAME_BYTES: usize = 512;
/// Encryption types and pre-authentication types shown of one Kerberos message. Windows sends up to eight;
/// what is beyond is not shown.
pub const KRB_LIST: usize = 24;
/// Bytes looked at before a flow that fits no protocol is given up.
pub const IDENTIFY_BYTES: usize = 64;
/// Chunks looked at before a flow is given up whose beginning was seen: the first of each direction.
pub const IDENTIFY_CHUNKS: u8 = 2;
/// The same for a flow that was picked up in the middle, or has a gap: it may be in the middle of bulk.
pub const IDENTIFY_CHUNKS_MIDDLE: u8 = 8;
/// The same on a port of a protocol we read, however the flow began.
pub const IDENTIFY_CHUNKS_KNOWN: u8 = 64;

/// Questions kept of one DNS message; two are rare, mDNS asks for a dozen at most.
pub const DNS_QUESTIONS: usize = 16;
/// Records kept of one DNS message; the others are counted.
pub const DNS_RECORDS: usize = 32;
/// Bytes of text made of one DNS message. Names beyond are left empty.
pub const DNS_TEXT_BYTES: usize = 8 * 1024;
/// Bytes of one DNS name (RFC 1035 3.1).
pub const DNS_NAME_BYTES: usize = 255;
/// Compression pointers followed in one DNS name. A name has at most 127 labels, and honest ones one pointer or two.
pub const DNS_HOPS: usize = 32;
/// Addresses kept of one list in a DHCP message, and of all addresses in a DHCPv6 one.
pub const DHCP_LIST: usize = 8;
/// Relay agents that one DHCPv6 message may come through (HOP_COUNT_LIMIT, RFC 8415 7.6).
pub const DHCP_RELAYS: usize = 8;
/// Prefixes, and resolvers, read of one router advertisement; one holds as many as its length allows.
pub const RA_LIST: usize = 8;
/// Datagrams looked at before a conversation of UDP that fits no protocol is given up.
pub const IDENTIFY_DATAGRAMS: u8 = 3;
/// The same on a port of a protocol we read.
pub const IDENTIFY_DATAGRAMS_KNOWN: u8 = 64;

/// Seconds within which the two legs of a relay must lie.
pub const RELAY_SECS: u64 = 120;
/// Exchanges remembered for joining legs, in all; fewer if the correlator's share of the memory budget has no
/// room for them. The oldest without AUTHENTICATE goes first, then the oldest.
pub const EXCHANGES: usize = 65_536;
/// Exchanges remembered of one client, and challenges without an answer of one server, or an eighth of all
/// if that is less. Its own oldest goes first, those without AUTHENTICATE before the others.
pub const EXCHANGES_PER_SOURCE: usize = 1_024;
/// Milliseconds of packet time a detection waits for its answer.
pub const ANSWER_MILLIS: u64 = 500;
/// Detections of one detector waiting for their answer or for something that says it better, an eighth of them of
/// one client; a new one without room is left out. Fewer if the correlator's share has no room.
pub const PENDING_FINDINGS: usize = 4_096;
/// Sessions whose account is remembered for what is done over them. Beyond it the one authenticated longest ago
/// is forgotten, and what is done over it is nobody's.
pub const ACTION_SESSIONS: usize = 16_384;
/// Actions kept of one client in case its session turns out to be relayed; its own oldest goes first.
pub const ACTIONS_PER_SOURCE: usize = 64;
/// Seconds after a relay within which a ticket asked for by one of its hosts belongs to it: a certificate is
/// used when it suits the attacker, mostly the same day.
pub const FOLLOW_UP_SECS: u64 = 24 * 3600;
/// Pairs of client and domain controller whose all-zero credentials are counted.
pub const ZERO_CREDENTIALS: usize = 4_096;
/// All-zero credentials within [`ZERO_SECS`] that make an attack: MS-NRPC draws 8 random bytes, and even one such
/// credential comes up by chance once in 2^64.
pub const ZERO_TRIES: u64 = 10;
/// Seconds over which they are counted.
pub const ZERO_SECS: u64 = 60;
/// Incidents open at once. Beyond it the one idle longest is closed.
pub const INCIDENTS: usize = 4_096;
/// Seconds without news after which an incident is closed.
pub const INCIDENT_IDLE_SECS: u64 = 600;
/// Seconds after which an incident is closed in any case.
pub const INCIDENT_SECS: u64 = 24 * 3600;
/// Addresses, legs, and evidence lines shown of one incident; `more` counts the rest.
pub const INCIDENT_LIST: usize = 16;
/// Hosts and legs beyond that list that are told apart, so that each is counted once. Beyond it `more` stands still.
pub const INCIDENT_MORE: usize = 128;
/// Names remembered of one address.
pub const NAMES_PER_ADDRESS: usize = 8;
/// Addresses whose names are remembered.
pub const NAMED_ADDRESSES: usize = 65_536;
/// Seconds after which a name heard only in NTLM, and contested by nobody, is its address's own.
pub const SETTLE_SECS: u64 = 120;
/// Seconds an identity is kept without news.
pub const IDENTITY_SECS: u64 = 7 * 24 * 3600;
/// Seconds that a name from DNS or DHCP counts at least, however short its lease: caches outlive it.
pub const NAME_SECS: u32 = 600;
/// Seconds after a coercion call within which its victim's authentication is its callback: it begins after
/// milliseconds, name resolution and the start of the WebDAV client take up to ten seconds.
pub const CALLBACK_SECS: u64 = 10;
/// Hosts, names and exchanges that each detector of what comes before a relay remembers. Beyond it the oldest goes.
pub const PRECURSORS: usize = 16_384;
/// Lookups, interfaces or hosts remembered of one host that looks around; more add nothing.
pub const RECON_LIST: usize = 32;
/// Seconds that such a finding waits whether a relay, callback or coercion says it better.
pub const EXPLAIN_SECS: u64 = 3;
/// Calls, and authentications, of one host remembered for that long; the oldest go first.
pub const CALLBACKS_PER_HOST: usize = 32;
/// Pairs of client and server that authenticated before. Beyond it the pair unused longest is forgotten
/// and counts as new when it comes again.
pub const HABITS: usize = 262_144;
/// Seconds that such a pair is remembered without news.
pub const HABIT_SECS: u64 = 7 * 24 * 3600;
/// Sources counted for thresholds of the configuration. Beyond it the oldest count begins anew.
pub const THRESHOLD_SOURCES: usize = 4_096;
/// Changes of identity told of one address within a minute; more are only counted.
pub const CHANGES_PER_ADDRESS: u32 = 16;
/// Changes of identity told in all within a minute; more are only counted.
pub const CHANGES_PER_MINUTE: u32 = 6_000;
/// Clients that a DNS server answers before it is believed, if it is no domain controller and was not declared.
pub const DNS_CLIENTS: usize = 3;
/// Tickets shown to services of one worker's flows that have not answered yet. Beyond it the oldest proves nothing.
pub const SERVICES_ASKED: usize = 1_024;
/// Pieces of evidence a worker remembers to have handed on. Beyond it all are handed on again.
pub const CLAIMS_SAID: usize = 16_384;
/// Seconds after which the same evidence is handed on again.
pub const CLAIM_AGAIN_SECS: u64 = 60;
/// Names that DHCP clients asked for and whose answer is awaited.
pub const LEASES_ASKED: usize = 4_096;
/// Bytes of an address with the names it may be heard under and its share of the indexes, at most about: eight
/// names of 64 bytes, kept twice. 65,536 addresses of ordinary hosts, with two names each, take a third.
pub const HOST_BYTES: u64 = 2_048;
/// Weaknesses of hosts remembered, each a kind and a host. Beyond it new ones are only counted.
pub const POSTURES: usize = 16_384;
/// Other ends, and examples, shown of one weakness; `more` counts the rest.
pub const POSTURE_LIST: usize = 8;
/// Characters shown of an example.
pub const POSTURE_CHARS: usize = 64;
/// Seconds of packet time between two reports of weaknesses.
pub const POSTURE_SECS: u64 = 24 * 3600;
/// Seconds of packet time, live, between two copies of what is known to the store: what a crash loses.
pub const STORE_SECS: u64 = 50;
/// Groups of one correlation rule that are counted at once. Beyond it the one whose window ends first is
/// forgotten and counted.
pub const CORRELATION_GROUPS: usize = 4_096;
/// Occurrences remembered of one group. Beyond it the oldest is forgotten and counted: a rule that asks for
/// more within its time does not load.
pub const CORRELATION_EVENTS: usize = 1_024;
/// Occurrences remembered of all groups of one correlation rule: at most 8 MiB. Beyond it the group whose
/// window ends first is forgotten and counted.
pub const CORRELATION_OCCURRENCES: usize = 16_384;
/// Bytes kept of one value that a correlation rule groups by or counts; longer ones are cut.
pub const CORRELATION_VALUE_BYTES: usize = 256;
/// Share of the memory budget for frames of evidence, percent; taken off the others only if evidence is kept. Half is
/// for recent frames of all flows, half for open incidents. Beyond it the oldest frames go, or are not added and
/// counted.
pub const EVIDENCE_SHARE: u64 = 20;
/// Bytes kept of the start of one flow among the recent frames: a handshake and an authentication take 10 KiB.
pub const EVIDENCE_FLOW_HEAD: usize = 64 * 1024;
/// Bytes kept of its end. Beyond it what is between goes.
pub const EVIDENCE_FLOW_TAIL: usize = 192 * 1024;
/// Bytes of frames of one incident. Beyond it no more are added, counted.
pub const EVIDENCE_INCIDENT: usize = 8 * 1024 * 1024;
/// Bytes of frames of one flow in one incident. Beyond it no more are added, counted.
pub const EVIDENCE_INCIDENT_FLOW: usize = 1024 * 1024;
