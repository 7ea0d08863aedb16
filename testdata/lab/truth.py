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
import functools
import json
import os
import subprocess
import sys
import uuid

from impacket import ntlm

import observed
from observed import address, rows

PATH = sys.argv[1]
RUN = os.environ["RUN"]
REPEATED = {"expect", "also", "looks_like", "allow"}
PRIVACY = 6  # RPC authentication level that seals the stub
# What a listener that is no relay hands to everybody: never a pair
STATIC_CHALLENGES = {"4141414141414141", "a" * 16}


def main():
    given, lists = {}, collections.defaultdict(list)
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        lists[key].append(value) if key in REPEATED else given.__setitem__(key, value)
    also = collections.defaultdict(list)
    for entry in lists["also"]:
        role, _, other = entry.partition(":")
        also[role].append(other)
    malicious = given["malicious"] == "yes"
    coercions = [
        coercion(entry) for entry in journal("victim") if entry["event"] == "coercion"
    ]
    if given.get("calls") == "not mirrored":
        coercions = []
    capture_file = PATH + ".pcap"
    messages = ntlm_messages()
    roles = {
        role: {given.get(role), *also[role]} - {None, ""}
        for role in ("attacker", "victim", "listener", "target")
    }
    everything = messages + observed.hidden_challenges(capture_file, messages)
    everything.sort(key=lambda message: message["time"])
    pairs, repeated = challenge_pairs(everything, roles, malicious)
    capture = read(capture_file)
    calls = observed.rpc_calls(capture_file)
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
        "varied": bool(os.environ["LAB_SEED"]),
        "seed": os.environ["LAB_SEED"] or None,
        "expect": lists["expect"],
        "looks_like": lists["looks_like"],
        "allow": lists["allow"],
        "visible_rpc": visible(coercions, lambda event: call_shows(capture, calls, event)),
        "visible_path": visible(coercions, lambda event: path_shows(capture, calls, event)),
        "coercion_events": coercions,
        "rpc_calls": [
            {"uuid": interface, "opnum": opnum, "count": count}
            for (interface, opnum), count in calls.items()
        ],
        "relay_pairs": pairs,
        "repeated_challenges": repeated,
        "response_pairs": response_pairs(messages),
        "outcome": given.get("outcome"),
        "kerberos_pairs": observed.kerberos_pairs(capture_file),
        "writes": observed.ldap_writes(capture_file),
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
        f"visible rpc {truth['visible_rpc']} path {truth['visible_path']}, {truth['ntlm_messages']}, "
        f"{len(truth['kerberos_pairs'])} kerberos pairs, {len(truth['writes'])} writes"
    )
    missing = observed.missing_evidence(truth) + observed.not_shown(truth, capture_file)
    for reason in missing:
        print(f"   {reason}, though the scenario says so")
    sys.exit(1 if missing else 0)


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
    fields = ["ntlmssp.messagetype", "ntlmssp.ntlmserverchallenge"]
    fields += ["ntlmssp.auth.domain", "ntlmssp.auth.username"]
    fields += ["ntlmssp.ntlmv2_response.ntproofstr"]
    messages = []
    for time, sender, receiver, values in rows(
        PATH + ".pcap", "ntlmssp.messagetype", fields, occurrence="l"
    ):
        kind, challenge, domain, user, proof = (",".join(value) for value in values)
        messages.append(
            {
                "time": time,
                "sender": sender,
                "receiver": receiver,
                "kind": int(kind, 16),
                "challenge": challenge.replace(":", ""),
                "user": f"{domain}\\{user}" if user not in ("", "NULL") else None,
                "proof": proof.replace(":", ""),
            }
        )
    return messages


def challenge_pairs(messages, roles, malicious):
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
        victim = [leg for leg in legs if address(leg["server"]) in roles["listener"]]
        target = [
            leg
            for leg in legs
            if address(leg["client"]) in roles["listener"] | roles["attacker"]
            and address(leg["server"]) not in roles["listener"] | roles["attacker"]
        ]
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


def response_pairs(messages):
    """Users whose NTLMv2 response was seen on more than one flow; the response itself is a secret"""
    flows = collections.defaultdict(dict)  # response -> {(client, server)}, in order of time
    for message in messages:
        if message["kind"] == 3 and message["proof"]:
            flows[message["user"], message["proof"]][message["sender"], message["receiver"]] = None
    return [
        {"user": user, "flows": [{"client": client, "server": server} for client, server in seen]}
        for (user, _), seen in flows.items()
        if len(seen) > 1
    ]


def call_shows(capture, calls, event):
    """Whether bind and opnum are readable: tshark decodes them. It does not look into the bodies of
    RPC over HTTP nor at what is not DCE/RPC, and of one direction it does not always learn what is a
    pipe; there the plain bytes of the identifier decide."""
    if event["uuid"] is None:
        return utf16("file:") in capture
    plain = uuid.UUID(event["uuid"]).bytes_le in capture
    if event["transport"] == "ncacn_http" and event["port"] == 80:
        return plain
    return calls[event["uuid"], event["opnum"]] > 0 or (plain and one_direction())


@functools.cache
def one_direction():
    """Whether no server ever answers: the mirror carried what clients send"""
    return not any(rows(PATH + ".pcap", "tcp.flags.syn == 1 && tcp.flags.ack == 1", []))


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
