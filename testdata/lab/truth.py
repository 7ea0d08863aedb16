#!/usr/bin/env python3
"""Writes NAME.json, what is true of NAME.pcap. The sources, none of them relaywatch:

  - the scenario's own arguments (who is who, what it should show),
  - the stand-ins' journals (what the victim was asked and did, which certificate was issued),
  - tshark (NTLM messages and their flows) and a plain search of the capture's bytes.

usage: truth.py PATH-WITHOUT-SUFFIX malicious=yes|no [KEY=VALUE...] [expect=LABEL...]

expect, looks_like and allow may be repeated; also=ROLE:ADDRESS adds an address to a role.
"""

import collections
import datetime
import json
import os
import subprocess
import sys
import uuid

from impacket import ntlm

PATH = sys.argv[1]
RUN = os.environ["RUN"]
# 593 is not a port on which tshark expects bare DCE/RPC
TSHARK = ["tshark", "-n", "-r", PATH + ".pcap", "-d", "tcp.port==593,dcerpc"]
TSHARK += ["-d", f"tcp.port=={os.environ['DYNAMIC_PORT']},dcerpc"]
PRIVACY = 6  # RPC authentication level that seals the stub
LISTS = ("expect", "looks_like", "allow", "also")
# What a listener that is no relay hands to everybody: never a pair
STATIC_CHALLENGES = {"4141414141414141", "a" * 16}


def main():
    given, lists = {}, {key: [] for key in LISTS}
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        lists[key].append(value) if key in lists else given.__setitem__(key, value)
    also = collections.defaultdict(list)
    for entry in lists["also"]:
        role, _, address = entry.partition(":")
        also[role].append(address)
    malicious = given["malicious"] == "yes"
    coercions = [
        coercion(entry) for entry in journal("victim") if entry["event"] == "coercion"
    ]
    messages = ntlm_messages()
    pairs, repeated = challenge_pairs(messages, given.get("listener"), malicious)
    capture = read(PATH + ".pcap")
    calls = rpc_calls()
    truth = {
        "scenario": os.path.basename(PATH),
        "file": os.path.basename(PATH) + ".pcap",
        "malicious": malicious,
        "attacker": given.get("attacker") or None,
        "victim": given.get("victim") or None,
        "listener": given.get("listener") or None,
        "target": given.get("target") or None,
        "also": also,
        "family": given.get("family"),
        "base": True,
        "varied": given.get("varied") == "yes",
        "seed": int(given["seed"]) if "seed" in given else None,
        "expect": lists["expect"],
        "looks_like": lists["looks_like"],
        "allow": lists["allow"],
        "visible_rpc": visible(coercions, lambda event: call_shows(capture, calls, event)),
        "visible_path": visible(coercions, lambda event: path_shows(capture, calls, event)),
        "coercion_events": coercions,
        "rpc_calls": [
            {"uuid": interface, "opnum": opnum, "count": count}
            for (interface, opnum), count in calls.items()
            if interface
        ],
        "relay_pairs": pairs,
        "repeated_challenges": repeated,
        "outcome": given.get("outcome"),
        "relay_outcome": relay_outcome(),
        "certificates": [
            {"time": entry["time"], "account": entry["account"]}
            for entry in journal("adcs")
            if entry["event"] == "issued"
        ],
        "ntlm_messages": dict(
            collections.Counter(f"type {message['kind']}" for message in messages)
        ),
        "packets": int(run(["capinfos", "-c", "-M", "-T", "-r", PATH + ".pcap"]).split()[-1]),
        "tools": dict(tool.split(" ", 1) for tool in given["tools"].split(", ")) | versions(),
        "recorded": datetime.date.today().isoformat(),
        "notes": given["notes"],
        "must_not_appear": secrets(messages),
    }
    with open(PATH + ".json", "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=1)
        file.write("\n")
    print(
        f"   {truth['packets']} packets, {len(coercions)} coercions, {len(pairs)} relay pairs, "
        f"visible rpc {truth['visible_rpc']} path {truth['visible_path']}, {truth['ntlm_messages']}"
    )


def journal(name):
    """A stand-in's journal since the capture began"""
    started = float(read(f"{RUN}/started"))
    with open(f"{RUN}/{name}.jsonl", encoding="utf-8") as file:
        return [entry for line in file if (entry := json.loads(line))["time"] >= started]


def coercion(entry):
    """time is when the callback was over; rpc_auth_level as on the wire, 1 is none"""
    order = ("time", "method", "uuid", "opnum", "unc", "caller")
    order += ("transport", "pipe", "port", "rpc_auth_level", "outcome")
    flags = [key for key in ("ndr64", "big_endian", "object_uuid") if entry.get(key)]
    return {key: entry[key] for key in order} | dict.fromkeys(flags, True)


def ntlm_messages():
    fields = ["frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport"]
    fields += ["ip.dst", "ipv6.dst", "tcp.dstport"]
    fields += ["ntlmssp.messagetype", "ntlmssp.ntlmserverchallenge"]
    fields += ["ntlmssp.auth.domain", "ntlmssp.auth.username"]
    fields += ["ntlmssp.ntlmv2_response.ntproofstr"]
    arguments = ["-Y", "ntlmssp.messagetype", "-T", "fields", "-E", "separator=|"]
    arguments += ["-E", "occurrence=l"]
    for field in fields:
        arguments += ["-e", field]
    messages = []
    for line in run(TSHARK + arguments).splitlines():
        time, source, source6, sport, destination, destination6, dport, *rest = line.split("|")
        kind, challenge, domain, user, proof = rest
        messages.append(
            {
                "time": float(time),
                "sender": f"{source or source6}:{sport}",
                "receiver": f"{destination or destination6}:{dport}",
                "kind": int(kind, 16),
                "challenge": challenge.replace(":", ""),
                "user": f"{domain}\\{user}" if user not in ("", "NULL") else None,
                "proof": proof.replace(":", ""),
            }
        )
    return messages


def challenge_pairs(messages, listener, malicious):
    """Challenges seen on more than one flow: (relays, the others)"""
    flows = collections.defaultdict(dict)  # challenge -> {(client, server)}, in order of time
    for message in messages:
        if message["kind"] == 2:
            flows[message["challenge"]][message["receiver"], message["sender"]] = None
    users = {
        (message["sender"], message["receiver"]): message["user"]
        for message in messages
        if message["kind"] == 3
    }
    pairs, repeated = [], []
    for challenge, seen in flows.items():
        if len(seen) < 2:
            continue
        legs = [{"client": client, "server": server} for client, server in seen]
        victim = [leg for leg in legs if leg["server"].rpartition(":")[0] == listener]
        target = [leg for leg in legs if leg["client"].rpartition(":")[0] == listener]
        if malicious and victim and target and challenge not in STATIC_CHALLENGES:
            pairs.append(
                {
                    "server_challenge": challenge,
                    "victim_flow": victim[0],
                    "target_flow": target[0],
                    "user": users.get((victim[0]["client"], victim[0]["server"])),
                }
            )
        else:
            repeated.append({"server_challenge": challenge, "flows": legs})
    return pairs, repeated


def rpc_calls():
    """(interface, opnum) -> how many requests tshark decodes, over pipes and ports"""
    fields = ["tcp.stream", "smb2.fid", "dcerpc.pkt_type", "dcerpc.cn_ctx_id"]
    fields += ["dcerpc.cn_bind_to_uuid", "dcerpc.opnum"]
    arguments = ["-Y", "dcerpc.pkt_type in {0, 11, 14}", "-T", "fields", "-E", "separator=|"]
    for field in fields:
        arguments += ["-e", field]
    bound, calls = {}, collections.Counter()
    for line in run(TSHARK + arguments).splitlines():
        stream, file, kinds, contexts, uuids, opnums = line.split("|")
        contexts, opnums, uuids = contexts.split(","), opnums.split(","), uuids.split(",")
        for kind in kinds.split(","):
            if kind in ("11", "14"):
                bound |= {
                    (stream, file, context): interface
                    for context, interface in zip(contexts, uuids)
                }
            elif kind == "0" and opnums[0]:
                context = (stream, file, contexts.pop(0) if contexts[0] else "0")
                calls[bound.get(context), int(opnums.pop(0) or 0)] += 1
    return calls


def call_shows(capture, calls, event):
    """Whether bind and opnum are readable: tshark decodes them. It does not look into the bodies of
    RPC over HTTP nor at what is not DCE/RPC; there the plain bytes of the identifier decide."""
    if event["uuid"] is None:
        return utf16("file:") in capture
    if event["transport"] == "ncacn_http" and event["port"] == 80:
        return uuid.UUID(event["uuid"]).bytes_le in capture
    return calls[event["uuid"], event["opnum"]] > 0


def path_shows(capture, calls, event):
    """Whether the call can be read, is not sealed by RPC itself, and its path is in there as it is"""
    if event["rpc_auth_level"] == PRIVACY or not call_shows(capture, calls, event):
        return False
    return utf16(event["unc"]) in capture or event["unc"].encode("utf-16-be") in capture


def visible(coercions, shows):
    """Whether every coerced call shows something; null if there is none"""
    return all(shows(event) for event in coercions) if coercions else None


def relay_outcome():
    """What the relay tool itself said about each attempt"""
    words = ("SUCCEED", "FAILED", "GOT CERTIFICATE")
    said = []
    for line in read(f"{RUN}/relay.log").decode("utf-8", "replace").splitlines():
        if any(word in line for word in words):
            said.append(line.split("] ", 1)[-1].strip()[:160])
    return said


def secrets(messages):
    """What no output of ours may contain: passwords, NT hashes and NTLMv2 proofs of the lab"""
    passwords = [entry.split(":", 1)[1] for entry in os.environ["ACCOUNTS"].split()]
    hashes = [ntlm.compute_nthash(password).hex() for password in passwords]
    proofs = [message["proof"] for message in messages if message["proof"]]
    return passwords + hashes + list(dict.fromkeys(proofs))


def versions():
    return {
        "samba": run(["smbd", "--version"]).split()[-1],
        "tshark": run(["tshark", "--version"]).split()[2].rstrip("."),
    }


def utf16(text):
    return text.encode("utf-16-le")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
