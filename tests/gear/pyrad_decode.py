"""Decodes answers of a RADIUS server with pyrad, which shares no code with it.

    pyrad_decode.py SECRET

Standard input: one line of JSON with "request" and "reply", both octets in hexadecimal. Standard output: one line of JSON with
the code, whether the reply is signed for that request, and the values of Reply-Message (18), State (24) and Prompt (76), in
hexadecimal, in order.
"""

import io
import json
import sys

from pyrad.dictionary import Dictionary
from pyrad.packet import AuthPacket

NAMES = "ATTRIBUTE Reply-Message 18 string\nATTRIBUTE State 24 octets\nATTRIBUTE Prompt 76 integer\n"


def main():
    secret = sys.argv[1].encode()
    given = json.loads(sys.stdin.readline())
    octets = bytes.fromhex(given["reply"])
    dictionary = Dictionary(io.StringIO(NAMES))
    request = AuthPacket(packet=bytes.fromhex(given["request"]), secret=secret, dict=dictionary)
    reply = request.CreateReply(packet=octets)
    told = {"code": reply.code, "signed": bool(request.VerifyReply(reply, octets))}
    for number in (18, 24, 76):
        # Values by number are octets as they came.
        told[str(number)] = [value.hex() for value in dict.get(reply, number, [])]
    print(json.dumps(told))


main()
