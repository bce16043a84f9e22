"""See that the servers the tests talk to answer; start those that do not.

A port that accepts is not a server that answers (a frozen one accepts too), so each
is greeted in its own protocol. The start commands are those of the CI machine.
"""

import socket
import subprocess
import sys
import time

START_TIMEOUT_SECONDS = 120

# Port, greeting to send, how the answer begins, command that starts it.
SERVICES = {
    "PostgreSQL": (
        5432,
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # SSLRequest: answered by S or N
        (b"S", b"N"),
        "pg_ctlcluster --skip-systemctl-redirect $(ls /etc/postgresql) main start",
    ),
    "MariaDB": (
        3306,
        b"",  # the server speaks first: a handshake packet of sequence number 0
        (b"",),
        "start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd",
    ),
    "Redis": (
        6379,
        b"PING\r\n",
        (b"+PONG",),
        "redis-server --daemonize yes --bind 127.0.0.1 -::1 --port 6379 --save '' "
        "--appendonly no --dir /var/lib/redis --logfile /var/log/redis/ci.log",
    ),
    "RabbitMQ": (
        5672,
        b"AMQP\x00\x00\x09\x01",
        (b"\x01\x00\x00",),  # a method frame on channel 0: Connection.Start
        "rabbitmq-server -detached",
    ),
}


def answers(port: int, greeting: bytes, beginnings: tuple[bytes, ...]) -> bool:
    """Whether the server on `port` of loopback answers its own protocol."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.settimeout(3)
            connection.sendall(greeting)
            answer = connection.recv(64)
    except OSError:
        return False
    return bool(answer) and answer.startswith(beginnings)


def ensure(name: str) -> bool:
    """Whether `name` answers, after starting it where it did not."""
    port, greeting, beginnings, command = SERVICES[name]
    if answers(port, greeting, beginnings):
        print(f"{name} answers on {port}")
        return True
    print(f"{name} does not answer on {port}: {command}", flush=True)
    subprocess.run(["bash", "-c", command], check=False)  # noqa: S603, S607
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answers(port, greeting, beginnings):
            print(f"{name} answers on {port} now")
            return True
        time.sleep(0.5)
    print(f"{name} does not answer on {port} and could not be started", flush=True)
    return False


if __name__ == "__main__":
    sys.exit(0 if all([ensure(name) for name in SERVICES]) else 1)
