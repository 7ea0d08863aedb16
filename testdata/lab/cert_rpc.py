"""ICertPassage of a certificate authority (MS-ICPR 3.2.4.1) and ITaskSchedulerService as far as the
relay tools go, over RPC: an endpoint mapper on 135 and one dynamic port.

With ``$RUN/seal_only`` present the authority takes requests at privacy level only, as patched ones do.
"""

import os
import socket
import struct
import threading
import uuid

from impacket.dcerpc.v5 import icpr

from dcerpc_server import ACCESS_DENIED, NDR32, OP_RANGE_ERROR, PRIVACY, RpcConnection
from ntlm_server import NtlmServer

ADDRESS = os.environ["CA"]
DYNAMIC_PORT = 49670
EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
ICPR = "91ae6020-9e3c-11cf-8d7c-00aa00c091be"
TASKS = "86d35949-83c9-4044-b424-db363231fd0c"
REGISTER, RUN, LAST_RUN, DELETE = 1, 12, 16, 13
ISSUED = 3
SUCCESS = struct.pack("<I", 0)


class CertRpc:
    def __init__(self, issue, journal):
        self.issue, self.journal = issue, journal

    def start(self):
        for port in (135, DYNAMIC_PORT):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((ADDRESS, port))
            listener.listen(16)
            threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()

    def accept(self, listener, port):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, port), daemon=True).start()

    def serve(self, connection, port):
        exchange = NtlmServer(os.environ["CA_NAME"].upper())
        rpc = RpcConnection(
            lambda: connection.recv(65536),
            connection.sendall,
            {EPMAPPER, ICPR, TASKS},
            lambda *call: self.dispatch(exchange, *call),
            {},
            str(port),
        )
        rpc.exchange = exchange
        rpc.serve()
        connection.close()

    def dispatch(self, exchange, interface, opnum, stub, about):
        if interface == EPMAPPER and opnum == 3:
            return ept_map(stub)
        account = f"{exchange.domain}\\{exchange.user}"
        level = about["rpc_auth_level"]
        self.journal.write(
            "rpc", interface=interface, opnum=opnum, level=level, account=account, ok=exchange.ok
        )
        if not exchange.ok:
            return ACCESS_DENIED
        if interface == ICPR and opnum == 0:
            if level < PRIVACY and os.path.exists(os.path.join(os.environ["RUN"], "seal_only")):
                return ACCESS_DENIED
            return self.certificate(stub, account)
        if interface == TASKS and opnum in (REGISTER, RUN, LAST_RUN, DELETE):
            return task_answer(opnum)
        return OP_RANGE_ERROR

    def certificate(self, stub, account):
        request = icpr.CertServerRequest(stub)
        number, der = self.issue(b"".join(request["pctbRequest"]["pb"]))
        self.journal.write("issued", account=account, request=number)
        answer = icpr.CertServerRequestResponse()
        answer["pdwRequestId"], answer["pdwDisposition"] = number, ISSUED
        for name, value in (("pctbCert", b""), ("pctbEncodedCert", der), ("pctbDispositionMessage", b"")):
            answer[name]["cb"], answer[name]["pb"] = len(value), value
        return answer.getData() + SUCCESS


def task_answer(opnum):
    if opnum == REGISTER:  # pActualPath, pErrorInfo, result
        path = "\\task\0"
        text = struct.pack("<IIII", 0x20000, len(path), 0, len(path)) + path.encode("utf-16-le")
        return text + bytes(-len(text) % 4) + struct.pack("<II", 0, 0)
    if opnum == RUN:  # pGuid, result
        return uuid.uuid4().bytes + SUCCESS
    if opnum == LAST_RUN:  # SYSTEMTIME, pLastReturnCode, result
        return struct.pack("<8H", 2026, 11, 3, 25, 12, 0, 0, 0) + SUCCESS + SUCCESS
    return SUCCESS


def ept_map(stub):
    """One tower that names the dynamic port (C706 appendix L, MS-RPCE 2.2.1.2.5)"""
    asked = stub.find(b"\x13\x00\x0d")
    floors = (
        (stub[asked + 2 : asked + 21], bytes(2)),
        (b"\x0d" + NDR32[:18], bytes(2)),
        (b"\x0b", bytes(2)),
        (b"\x07", struct.pack(">H", DYNAMIC_PORT)),
        (b"\x09", socket.inet_aton(ADDRESS)),
    )
    tower = struct.pack("<H", len(floors)) + b"".join(
        struct.pack("<H", len(left)) + left + struct.pack("<H", len(right)) + right
        for left, right in floors
    )
    answer = bytes(20) + struct.pack("<IIIII", 1, 1, 0, 1, 3)
    answer += struct.pack("<II", len(tower), len(tower)) + tower
    return answer + bytes(-len(answer) % 4) + SUCCESS
