"""bench-idle.py CLAWSPEND_DESKTOP: what the tray costs while nothing happens, on Linux.

Starts the given binary with a home, a display, a session bus and a tray host of its own, and measures
memory (PSS) and CPU of everything it started: before a window was ever opened, while it is open, and
after it was closed. Fails where a limit is exceeded or a WebKit process is found.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

MOST_PSS_MIB = 95
MOST_CPU_PERCENT = 0.1
SETTLE_SECONDS = 15
MEASURE_SECONDS = 30

WATCHER = """
<node><interface name="org.kde.StatusNotifierWatcher">
  <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
  <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
  <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
  <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  <property name="ProtocolVersion" type="i" access="read"/>
</interface></node>
"""


class TrayHost:
    """Stands for the desktop's panel: knows the tray item and can click a row of its menu."""

    def __init__(self, address):
        self.item = None
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address,
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
        )
        self.bus.register_object(
            "/StatusNotifierWatcher",
            Gio.DBusNodeInfo.new_for_xml(WATCHER).interfaces[0],
            self.called,
            lambda bus, sender, path, interface, name: {
                "RegisteredStatusNotifierItems": GLib.Variant("as", []),
                "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
                "ProtocolVersion": GLib.Variant("i", 0),
            }[name],
            None,
        )
        Gio.bus_own_name_on_connection(self.bus, "org.kde.StatusNotifierWatcher", 0, None, None)
        threading.Thread(target=GLib.MainLoop().run, daemon=True).start()

    def called(self, bus, sender, path, interface, method, arguments, invocation):
        if method == "RegisterStatusNotifierItem":
            service = arguments[0]
            self.item = (sender, service if service.startswith("/") else "/StatusNotifierItem")
        invocation.return_value(None)

    def call(self, path, interface, method, arguments):
        return self.bus.call_sync(
            self.item[0], path, interface, method, arguments, None, 0, 5000, None
        ).unpack()

    def click(self, label):
        menu = self.call(
            self.item[1],
            "org.freedesktop.DBus.Properties",
            "Get",
            GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", "Menu")),
        )[0]
        dbusmenu = "com.canonical.dbusmenu"
        rows = self.call(menu, dbusmenu, "GetLayout", GLib.Variant("(iias)", (0, -1, [])))[1][2]
        for row, properties, _ in rows:
            if properties.get("label", "").replace("_", "") == label:
                event = GLib.Variant("(isvu)", (row, "clicked", GLib.Variant("s", ""), 0))
                return self.call(menu, dbusmenu, "Event", event)
        sys.exit(f"the tray's menu has no row '{label}'")


def close_windows(display):
    """Asks every window of the display to close, as its title bar's button would."""

    class ClientMessage(ctypes.Structure):
        _fields_ = [
            ("type", ctypes.c_int),
            ("serial", ctypes.c_ulong),
            ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p),
            ("window", ctypes.c_ulong),
            ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int),
            ("data", ctypes.c_long * 5),
            ("padding", ctypes.c_long * 12),
        ]

    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = x11.XInternAtom.restype = ctypes.c_ulong
    handle = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    protocols = x11.XInternAtom(handle, b"WM_PROTOCOLS", False)
    delete = x11.XInternAtom(handle, b"WM_DELETE_WINDOW", False)
    root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    windows = ctypes.POINTER(ctypes.c_ulong)()
    x11.XQueryTree(
        handle,
        ctypes.c_ulong(x11.XDefaultRootWindow(handle)),
        *map(ctypes.byref, (root, parent, windows, count)),
    )
    for window in windows[: count.value]:
        atoms, atom_count = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_int()
        target = ctypes.c_ulong(window)
        found = x11.XGetWMProtocols(
            handle, target, ctypes.byref(atoms), ctypes.byref(atom_count)
        )
        if found and delete in atoms[: atom_count.value]:
            message = ClientMessage(
                type=33, window=window, message_type=protocols, format=32, data=(delete, 0)
            )
            x11.XSendEvent(handle, target, False, ctypes.c_long(0), ctypes.byref(message))
    x11.XCloseDisplay(handle)


def write_logs(home):
    """A month of small sessions, so that the idle app holds what a user's would."""
    now = time.time()
    folder = home / ".claude/projects/-home-demo"
    folder.mkdir(parents=True)
    for session in range(60):
        lines = []
        for answer in range(40):
            at = now - session * 43_200 - answer * 60
            usage = {"input_tokens": 4, "cache_read_input_tokens": 20_000, "output_tokens": 300}
            line = {
                "type": "assistant",
                "sessionId": f"s{session}",
                "requestId": f"r{session}-{answer}",
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at)),
                "cwd": "/home/demo",
                "message": {
                    "id": f"m{session}-{answer}",
                    "role": "assistant",
                    "model": "claude-sonnet-4-5",
                    "content": [],
                    "usage": usage,
                },
            }
            lines.append(json.dumps(line))
        (folder / f"s{session}.jsonl").write_text("\n".join(lines) + "\n")


class Started:
    """Every process that carries the mark of this run in its environment."""

    def __init__(self, mark):
        self.mark = mark.encode()

    def processes(self):
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (folder / "environ").read_bytes():
                    yield folder, (folder / "comm").read_text().strip()
            except OSError:
                continue  # ended meanwhile

    def webkit(self):
        return [name for _, name in self.processes() if name.startswith("WebKit")]

    def memory_mib(self, field):
        total = 0
        for folder, _ in self.processes():
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    total += int(line.split()[1])
        return total / 1024

    def cpu_seconds(self):
        ticks = 0
        for folder, _ in self.processes():
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def wait_until(condition, seconds, otherwise):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(otherwise)
        time.sleep(0.1)


def measure(started, state):
    """Prints one row; returns what was wrong with it."""
    time.sleep(SETTLE_SECONDS)
    before = started.cpu_seconds()
    time.sleep(MEASURE_SECONDS)
    cpu = 100 * (started.cpu_seconds() - before) / MEASURE_SECONDS
    pss, private = started.memory_mib("Pss"), started.memory_mib("Private_Dirty")
    names = sorted(name for _, name in started.processes())
    print(f"{state:<22} {pss:8.1f} {private:14.1f} {cpu:8.3f}   {', '.join(names)}", flush=True)
    faults = []
    if pss > MOST_PSS_MIB:
        faults.append(f"{state}: {pss:.1f} MiB PSS, at most {MOST_PSS_MIB} are allowed")
    if cpu > MOST_CPU_PERCENT + 1e-9:
        faults.append(f"{state}: {cpu:.3f} % CPU, at most {MOST_CPU_PERCENT} are allowed")
    if started.webkit():
        faults.append(f"{state}: WebKit is running: {', '.join(started.webkit())}")
    return faults


def run(binary, folder, children):
    home = folder / "home"
    (folder / "run").mkdir(mode=0o700)
    write_logs(home)
    plain = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    plain["XDG_RUNTIME_DIR"] = str(folder / "run")

    def start(*command, **options):
        child = subprocess.Popen(command, env=plain, stdout=subprocess.PIPE, text=True, **options)
        children.append(child)
        return child

    display = start(
        "Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp",
        stderr=subprocess.DEVNULL,
    ).stdout.readline().strip()  # fmt: skip
    address = start(
        "dbus-daemon", "--session", "--nofork", "--print-address=1", stderr=subprocess.DEVNULL
    ).stdout.readline().strip()  # fmt: skip
    if not display or not address:
        sys.exit("cannot start Xvfb and dbus-daemon")
    host = TrayHost(address)

    mark = f"CLAWSPEND_DATA_DIR={folder / 'data'}"
    log = folder / "app.log"
    app = subprocess.Popen(
        [binary, "--autostart"],
        env=plain
        | dict([mark.split("=")])
        | {
            "CLAWSPEND_CONFIG_DIR": str(folder / "config"),
            "DBUS_SESSION_BUS_ADDRESS": address,
            "DISPLAY": f":{display}",
            "GDK_BACKEND": "x11",
            "NO_AT_BRIDGE": "1",
        },
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )
    children.append(app)
    started = Started(mark)
    wait_until(
        lambda: host.item or app.poll() is not None, 30, "the app showed no tray item within 30 s"
    )
    if app.poll() is not None:
        sys.exit(f"the app ended with {app.returncode}:\n{log.read_text()}")

    print(f"{'state':<22} {'PSS MiB':>8} {'private dirty':>14} {'CPU %':>8}   processes")
    faults = measure(started, "never opened")
    host.click("Open dashboard")
    wait_until(lambda: "WebKitWebProces" in started.webkit(), 30, "the dashboard did not open")
    measure(started, "window open")
    close_windows(f":{display}")
    wait_until(lambda: not started.webkit(), 15, "WebKit stayed after the window was closed")
    return faults + measure(started, "window closed again")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    children = []
    with tempfile.TemporaryDirectory(prefix="clawspend-idle-") as folder:
        try:
            faults = run(os.path.abspath(sys.argv[1]), pathlib.Path(folder), children)
        finally:
            for child in reversed(children):
                child.terminate()
                child.wait(timeout=10)
    print(*faults or ["within the limits"], sep="\n")
    sys.exit(bool(faults))


main()
