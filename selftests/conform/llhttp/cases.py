# SPDX-License-Identifier: BSD-2-Clause
"""Cases: messages that everybody takes, messages that were somebody's outage, mutations of both."""
import random

HOST = b"Host: a.example\r\n"


def _post(fields, body=b"", version=b"1.1"):
    return b"POST /x HTTP/" + version + b"\r\n" + HOST + fields + b"\r\n" + body


VALID_REQUESTS = [
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a/b;c?d=e&f=%20g HTTP/1.1\r\n" + HOST + b"Accept: */*\r\nCookie: a=b; c=\"d\"\r\n\r\n",
    b"\r\nHEAD / HTTP/1.1\r\n" + HOST + b"User-Agent:\t x \t\r\n\r\n",
    b"GET http://b.example:8080/x?y HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    _post(b"Content-Length: 3\r\n", b"abc"),
    _post(b"Content-Length: 0\r\n") + _post(b"Content-Length: 2\r\n", b"ab"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\nTrailer: T\r\n", b"1\r\na\r\n0\r\nT: v\r\n\r\n") +
    _post(b"Content-Length: 1\r\n", b"z"),
    _post(b"Transfer-Encoding: chunked\r\n", b"1;a;b=c\r\na\r\n0;f\r\n\r\n"),
    _post(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"a"),
    b"PUT /%e4 HTTP/1.1\r\n" + HOST + b"A: \xe4\xf6\r\nContent-Length: 0\r\n\r\n",
    b"DELETE /a HTTP/1.1\r\n" + HOST + b"Empty:\r\nColons: a:b:c\r\nX_Y: 1\r\n\r\n",
    b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\nGET /2 HTTP/1.1\r\n" + HOST + b"\r\nGET /3 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
]

VALID_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 500 Oops\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
]

# Each was taken by one server and read otherwise by the next.
HOSTILE_REQUESTS = [
    _post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nGET"),
    _post(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\nGET"),
    _post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n", b"abc"),
    _post(b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    _post(b"Transfer-Encoding\r\n : chunked\r\n", b"0\r\n\r\n"),
    _post(b"X: a\r\n Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    _post(b"X: a\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    _post(b"X: a\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    _post(b"X: a\x00\r\nContent-Length: 1\r\n", b"a"),
    _post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
    _post(b"Content-Length: 3, 3\r\n", b"abc"),
    _post(b"Content-Length: +3\r\n", b"abc"),
    _post(b"Content-Length: 0x3\r\n", b"abc"),
    _post(b"Content-Length: 3 \r\nContent-Length:\r\n", b"abc"),
    _post(b"Content-Length: 18446744073709551619\r\n", b"abc"),
    _post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"1.0"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3\nabc\n0\n\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabcX\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabcde0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"0x3\r\nabc\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3 \r\nabc\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3;a\nabc\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"3;a=\"\r\nabc\"\r\n0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\r\n", b"0\r\nX: y\nGET / HTTP/1.1\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\t\r\n", b"0\r\n\r\n"),
    _post(b"Content-Length: 3\t\r\n", b"abc"),
    _post(b"Transfer-Encoding: chunked\r\n", b"0\r\nContent-Length: 3\r\n\r\nabc"),
    _post(b"Transfer-Encoding: chunked\r\n", b"0\r\nConnection: close\r\n\r\n"),
    _post(b"Connection: Content-Length\r\nContent-Length: 3\r\n", b"abc"),
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /#f HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\rGET /2 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\xc3\xa4: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\r\n",
]

HOSTILE_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
]

BYTES = [bytes([b]) for b in b"\r\n\t \0\x01\x0b\x7f\x80\xff:;,=\"\\/?#%@[]{}()<>+-_.*019aAfFgGzZ"]
WORDS = [b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t", b"\r\r\n", b" :", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0",
         b"chunked", b", chunked", b"gzip, ", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n",
         b"Content-Length: 5\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: x\r\n", b"Host: b\r\n",
         b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b";a=\"b\"", b"ffffffffffffffff", b"0x", b"identity",
         b"http://", b"GET / HTTP/1.1\r\nHost: c\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]


def _mutate(rng, data, others):
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + 1 + int(rng.expovariate(0.2)))
    kind = rng.randrange(8)
    if kind <= 1:
        return data[:at] + rng.choice(BYTES) + data[at + 1:]
    if kind == 2:
        return data[:at] + rng.choice(BYTES) + data[at:]
    if kind == 3:
        return data[:at] + data[end:]
    if kind == 4:
        return data[:end] + data[at:]
    if kind == 5:
        return data[:at] + rng.choice(WORDS) + data[at:]
    lines = data.split(b"\r\n")
    if kind == 6 and len(lines) > 2:
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
        return b"\r\n".join(lines)
    other = rng.choice(others)
    return data[:at] + other[rng.randrange(len(other)):]


def mutations(seed, count, bases):
    rng = random.Random(seed)
    for _ in range(count):
        data = rng.choice(bases)
        for _ in range(1 + min(3, int(rng.expovariate(1.0)))):
            data = _mutate(rng, data, bases)
        yield data
