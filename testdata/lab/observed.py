"""What tshark and the capture's bytes show beyond the NTLM messages that tshark lists: NTLM in
protocols in which it does not look for it, calls of DCE/RPC, Kerberos AP-REQs on several flows, LDAP writes."""

import base64
import collections
import os
import re
import subprocess

SIGNATURE = b"NTLMSSP\0"
IN_BASE64 = re.compile(rb"TlRMTVNTUAA[A-Za-z0-9+/=]+")
ENDS = ["ip.src", "ipv6.src", "tcp.srcport", "udp.srcport"]
ENDS += ["ip.dst", "ipv6.dst", "tcp.dstport", "udp.dstport"]


def rows(path, display_filter, fields, occurrence="a"):
    """Per frame: time, sender, receiver, and a list of values for each field"""
    wanted = ["frame.time_epoch", *ENDS, *fields]
    # Neither 593 nor the stand-in's dynamic port is one on which tshark expects bare DCE/RPC.
    ports = (593, os.environ["DYNAMIC_PORT"])
    command = ["tshark", "-n", "-r", path, "-Y", display_filter]
    command += [word for port in ports for word in ("-d", f"tcp.port=={port},dcerpc")]
    command += ["-T", "fields", "-E", "separator=|", "-E", f"occurrence={occurrence}"]
    for field in wanted:
        command += ["-e", field]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        values = line.split("|")
        ends = [value.split(",")[0] for value in values[1:9]]
        listed = [value.split(",") if value else [] for value in values[9:]]
        yield float(values[0]), end(*ends[:4]), end(*ends[4:]), listed


def end(v4, v6, tcp, udp):
    return f"{v4}:{tcp or udp}" if v4 else f"[{v6}]:{tcp or udp}"


def address(flow_end):
    return flow_end.rsplit(":", 1)[0].strip("[]")


def hidden_challenges(path, known):
    """CHALLENGEs in TDS and on odd ports, as entries for truth.ntlm_messages()"""
    seen = {(message["sender"], message["receiver"], message["challenge"]) for message in known}
    found = []
    for time, sender, receiver, (payload,) in rows(path, "tcp.len > 40", ["tcp.payload"], "f"):
        data = bytes.fromhex(payload[0].replace(":", "")) if payload else b""
        for text in IN_BASE64.findall(data):
            data += base64.b64decode(text[: len(text) // 4 * 4])
        at = data.find(SIGNATURE + b"\2\0\0\0")
        challenge = data[at + 24 : at + 32].hex()
        if at < 0 or len(challenge) < 16 or (sender, receiver, challenge) in seen:
            continue
        seen.add((sender, receiver, challenge))
        found.append(
            {"time": time, "sender": sender, "receiver": receiver, "kind": 2}
            | {"challenge": challenge, "user": None, "proof": ""}
        )
    return found


def kerberos_pairs(path):
    """One AP-REQ, the same ticket and authenticator, on more than one flow"""
    fields = ["kerberos.cipher", "kerberos.SNameString"]
    flows, names = collections.defaultdict(dict), {}
    for _, sender, receiver, (ciphers, sname) in rows(path, "kerberos.ap_req_element", fields):
        if len(ciphers) >= 2:
            flows[tuple(ciphers[:2])][sender, receiver] = None
            names[tuple(ciphers[:2])] = "/".join(sname[:2])
    return [
        {
            "sname": names[ap_req],
            "flows": [{"client": client, "server": server} for client, server in seen],
        }
        for ap_req, seen in flows.items()
        if len(seen) > 1
    ]


def rpc_calls(path):
    """(interface, opnum) -> how many requests tshark decodes, over pipes and ports"""
    fields = ["tcp.stream", "smb2.fid", "dcerpc.pkt_type", "dcerpc.cn_ctx_id"]
    fields += ["dcerpc.cn_bind_to_uuid", "dcerpc.opnum"]
    bound, calls = {}, collections.Counter()
    for _, _, _, (stream, file, kinds, contexts, uuids, opnums) in rows(
        path, "dcerpc.pkt_type in {0, 11, 14}", fields
    ):
        where = stream[0], *file[:1]
        for kind in kinds:
            if kind in ("11", "14"):
                bound |= {(*where, context): name for context, name in zip(contexts, uuids)}
            elif kind == "0" and opnums:
                interface = bound.get((*where, contexts.pop(0) if contexts else "0"))
                opnum = int(opnums.pop(0))
                if interface:  # else the bind is older than the capture
                    calls[interface, opnum] += 1
    return calls


def ldap_writes(path):
    """Add and modify requests that are readable, with what the server said"""
    modify = "ldap.modifyRequest_element || ldap.addRequest_element"
    fields = ["tcp.stream", "ldap.messageID", "ldap.object", "ldap.entry", "ldap.type"]
    results = {}
    answers = "ldap.modifyResponse_element || ldap.addResponse_element"
    for _, _, _, (stream, number, code) in rows(
        path, answers, ["tcp.stream", "ldap.messageID", "ldap.resultCode"]
    ):
        for one, result in zip(number, code):
            results[stream[0], one] = int(result)
    # A value of a DN has commas in it, as has tshark's list: one entry a frame is what we need.
    writes = []
    for _, _, _, (stream, number, changed, added, types) in rows(path, modify, fields):
        operation = {"attribute": types[0]} if changed and types else {"operation": "add"}
        dn = ",".join(changed or added)
        result = results.get((stream[0], number[-1]))
        writes.append({"dn": dn, **operation, "result": result})
    return writes


# What a capture must show for these labels
SHOWN = {
    "rogue:dhcpv6": "dhcpv6.msgtype in {2, 7}",
    "rogue:ra": "icmpv6.type == 134",
    "rogue:dhcp": "dhcp.option.dhcp in {2, 5}",
    "poisoning:llmnr": "llmnr && dns.flags.response == 1",
    "poisoning:mdns": "mdns && dns.flags.response == 1",
    "poisoning:nbns": "nbns.flags.response == 1",
}


def not_shown(truth, path):
    return [
        f"no frame is {SHOWN[label]}"
        for label in truth["expect"]
        if label in SHOWN and not any(rows(path, SHOWN[label], []))
    ]


def missing_evidence(truth):
    """What the labels promise and the capture or the journals do not have"""
    kinds = collections.Counter(label.split(":")[0] for label in truth["expect"])
    callbacks = kinds["callback"] + truth["expect"].count("coercion:callback")
    answered = [
        event for event in truth["coercion_events"] if "CONNECTION_REFUSED" not in event["outcome"]
    ]
    two_legs = kinds["relay"] + kinds["reflection"]
    promises = [
        (two_legs, truth["relay_pairs"], "no challenge on two flows"),
        (kinds["krb-relay"], truth["kerberos_pairs"], "no AP-REQ on two flows"),
        (kinds["ldap-write"], truth["writes"], "no LDAP write"),
        (kinds["coercion"], truth["coercion_events"] or truth["rpc_calls"], "no coercion"),
        (callbacks, answered or not truth["coercion_events"], "nobody took the callback"),
        (kinds["relay-one-way"], truth["response_pairs"], "no response on two flows"),
        (kinds["relay-one-way"], not truth["ntlm_messages"].get("type 2"), "a challenge is there"),
        (kinds["one-leg"], not truth["relay_pairs"], "both legs are there"),
    ]
    return [reason for wanted, found, reason in promises if wanted and not found]
