#!/usr/bin/python3
"""The same one call with Samba's client, for what impacket cannot do: big-endian NDR.

usage: call_samba.py BINDING METHOD PATH      with Samba's binding strings, HOST[port,bigendian]
"""

import os
import sys

from samba import credentials, param
from samba.dcerpc import base

import methods

binding, name, path = sys.argv[1:]
method = methods.METHODS[name]
pipes = [pipe for pipe in methods.LSA_PIPES if f"\\pipe\\{pipe}" in binding]
uuid, version = methods.INTERFACES[methods.interface_of(method, pipes and pipes[0])][:2]
loadparm = param.LoadParm()
loadparm.load_default()
loadparm.set("client min protocol", "SMB2_02")
user = credentials.Credentials()
user.guess(loadparm)
if binding.startswith("ncacn_np"):
    user.set_domain(os.environ["DOMAIN"])
    user.set_username(os.environ["ALICE"])
    user.set_password(os.environ["ALICE_PW"])
    user.set_kerberos_state(credentials.DONT_USE_KERBEROS)
else:
    user.set_anonymous()
connection = base.ClientConnection(binding, (uuid, int(version[0])), loadparm, user)
stub = methods.encode(method.stub, path, big="bigendian" in binding)
try:
    print("answer", connection.request(method.opnum, stub).hex())
except Exception as error:  # refusals are among what we want to record
    print("answer", error)
