#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Connections that live: each says a line all the time and waits for it to come back.

conns.py serve NAME ADDRESS PORT...: greets with its name, and repeats lines.
conns.py keep: commands by standard input, an answer in JSON each, by line:
  open ADDRESS PORT N   N more; once they were all greeted, how many were not
  report                [{"port", "backend", "rounds", "end": why it ended or ""}]
  close PORT            those of the port
"""
import asyncio
import json
import sys

PAUSE_S = 0.05
GREETED_S = 20


async def serve(name, address, ports):
    async def repeat(reader, writer):
        try:
            writer.write(name.encode() + b"\n")
            while line := await reader.readline():
                writer.write(line)
        except OSError:
            pass
        finally:
            writer.close()

    for port in ports:
        await asyncio.start_server(repeat, address, int(port), backlog=1024)
    print("ready", flush=True)
    await asyncio.Event().wait()


class Conn:
    def __init__(self, port):
        self.port, self.backend, self.rounds, self.end = port, "", 0, ""
        self.closing = False
        self.task = None

    async def begin(self, address):
        """Made and greeted; a SYN without an answer is sent again by the kernel."""
        reader, writer = await asyncio.open_connection(address, self.port)
        self.backend = (await reader.readline()).decode().strip()
        self.task = asyncio.create_task(self.keep(reader, writer))

    async def keep(self, reader, writer):
        try:
            while not self.closing:
                line = b"%d\n" % self.rounds
                writer.write(line)
                if await reader.readline() != line:
                    self.end = "another line, or the end"
                    break
                self.rounds += 1
                await asyncio.sleep(PAUSE_S)
        except OSError as e:
            self.end = str(e) or "an error"
        finally:
            self.end = self.end or "closed"
            writer.close()

    def report(self):
        return {"port": self.port, "backend": self.backend, "rounds": self.rounds, "end": self.end}


async def command(conns, words):
    if words[0] == "open":
        new = [Conn(int(words[2])) for _ in range(int(words[3]))]
        done = await asyncio.gather(*(asyncio.wait_for(c.begin(words[1]), GREETED_S) for c in new),
                                    return_exceptions=True)
        conns += [c for c in new if c.backend]
        return sum(d is not None for d in done)
    if words[0] == "close":
        for c in conns:
            c.closing = c.closing or c.port == int(words[1])
        return 0
    return [c.report() for c in conns]


async def keep():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    conns = []
    while line := await reader.readline():
        print(json.dumps(await command(conns, line.decode().split())), flush=True)


asyncio.run(keep() if sys.argv[1] == "keep" else serve(*sys.argv[2:4], sys.argv[4:]))
