#!/usr/bin/env python3
"""Prints shell assignments that give the lab other addresses, names, accounts and ports.

The same seed gives the same lab. settings.sh evaluates the output, so that everything that
follows from these is written down once, there.

usage: vary.py SEED
"""

import random
import sys

HOSTS = "harbor cobalt quartz maple onyx falcon delta raven cedar amber topaz willow birch".split()
DOMAINS = "NORTH ACME FABRIK HAVEN ORBIT".split()
TOP = "test invalid example".split()
USERS = "carla deniz emil farah grace henrik ines jonas".split()


def main():
    chance = random.Random(f"relaywatch lab {sys.argv[1]}")
    first, second = chance.sample(range(20, 220), 2)
    block = chance.choice(["172.20", "172.28", "192.168", "10.77"])
    domain, users = chance.choice(DOMAINS), chance.sample(USERS, 2)
    names = [f"{name}{chance.randint(1, 9)}" for name in chance.sample(HOSTS, 13)]
    port = chance.randrange(20000, 50000)
    values = {
        "PREFIX": f"{block}.{first}",
        "NAT_NET": f"{block}.{second}",
        "OCTETS": chance.sample(range(5, 99), 13),
        "NAMES": names,
        "DOMAIN": domain,
        "REALM": f"{domain}.{chance.choice(TOP)}".upper(),
        "ALICE": users[0],
        "BOB": users[1],
        "PASSWORD_TAIL": f"-{chance.randrange(16**6):06x}",
        "DYNAMIC_PORT": chance.randrange(49152, 65000),
        "FORWARD_PORT": chance.choice([3129, 8000, 8888, 9090]),
        "WEB_PORT": chance.choice([8008, 8081, 8180]),
        "LOCAL_PORTS": f"'{port} {port + 12000}'",
    }
    for key, value in values.items():
        print(f"{key}=({' '.join(map(str, value))})" if isinstance(value, list) else f"{key}={value}")


if __name__ == "__main__":
    main()
