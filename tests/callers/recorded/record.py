"""Records the bytes of Python 2.7's xmlrpclib; run by Python 2.7, see README.md beside this file.

    python2.7 record.py http://127.0.0.1:PORT

The server must be fresh, so that its first job is job 1, and have a client. Each request is written to a file of this
folder; each answer is checked here with what xmlrpclib makes of it.
"""

import datetime
import os
import sys
import time

import httplib
import xmlrpclib

FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # no pathlib in Python 2


class Connection(httplib.HTTPConnection):
    """Keeps what it sends."""

    sent = []  # noqa: RUF012

    def send(self, data):
        self.sent.append(data)
        httplib.HTTPConnection.send(self, data)


class Transport(xmlrpclib.Transport):
    """The library's own, over such a connection."""

    def make_connection(self, host):
        if not self._connection or host != self._connection[0]:
            self._connection = host, Connection(host)
        return self._connection[1]


def proxy(url, gzip=False, **options):
    transport = Transport(use_datetime=options.get("use_datetime", 0))
    if gzip:
        transport.encode_threshold = 0
    return xmlrpclib.ServerProxy(url, transport, **options)


def record(name, call):
    """What the call gives; its bytes go into the file `name`."""
    del Connection.sent[:]
    try:
        return call()
    finally:
        with open(os.path.join(FOLDER, name + ".http"), "wb") as file:  # noqa: PTH118, PTH123
            file.write(b"".join(Connection.sent))


def main(url):
    hq = proxy(url)
    nil = proxy(url + "/", allow_none=True, use_datetime=True)
    plain = proxy(url + "/RPC2/nonil")
    zipped = proxy(url, gzip=True)
    name = b"L\xc3\xb6we \xe2\x98\x83 <&>".decode("utf-8")
    specification = {
        "name": name,
        "shell": "bash",
        "command": b"printf 'a\\033b\\r\\n\xc3\xbc\\n'".decode("utf-8"),
        "priority": 5,
        "approved": True,
        "frameRate": 23.976,
        "children": ({"name": "first", "command": "true"}, {"name": "second"}),
    }
    assert record("01-ping", hq.ping) is True
    assert record("02-newjob", lambda: hq.newjob(specification)) == [1, 2, 3]
    while record("03-getJob-status", lambda: hq.getJob(1, ["progress", "status"]))["status"] != "succeeded":
        time.sleep(0.1)
    assert record("04-getJobOutput", lambda: hq.getJobOutput("1")) == b"a\xef\xbf\xbdb\r\n\xc3\xbc\n".decode("utf-8")
    everything = record("05-getJob-everything-nil", lambda: nil.getJob(1, None))
    assert everything["name"] == name and type(everything["queueTime"]) is datetime.datetime
    children = record("06-getJobs-nonil", lambda: plain.getJobs([3, "2"], ""))
    assert [child["id"] for child in children] == [3, 2]
    assert "parents" in children[0] and "endTime" in children[0] and "threadId" not in children[0]
    assert record("07-addNote-nonil", lambda: plain.addNote(name, "", 1, "")) is True
    assert record("08-addNote-nil", lambda: nil.addNote(name, None, 1, None)) is True
    try:
        record("09-getJob-unknown", lambda: hq.getJob(999))
    except xmlrpclib.Fault as fault:
        assert (fault.faultCode, fault.faultString) == (404, "there is no job 999")
    else:
        raise AssertionError("job 999 was found")
    assert record("10-newjob-gzip", lambda: zipped.newjob(specification)) == [4, 5, 6]
    calls = xmlrpclib.MultiCall(hq)
    calls.ping()
    calls.getJob(1, ["name"])
    assert list(record("11-multicall", calls)) == [True, {"id": 1, "name": name}]
    (client,) = record("12-getClients-nil", lambda: nil.getClients(None, ["id", "hostname", "lastHeartbeat"]))
    assert type(client["hostname"]) is str and type(client["lastHeartbeat"]) is datetime.datetime
    assert record("13-getJobIdsBySatus", lambda: hq.getJobIdsBySatus(["succeeded"]))[:3] == [1, 2, 3]


if __name__ == "__main__":
    main(sys.argv[1])
