//! A private desktop, in parts that a test takes or leaves out.

pub(crate) mod browser;
pub(crate) mod home;
pub(crate) mod monitor;
pub(crate) mod notifications;
pub(crate) mod panel;
mod screen;

use home::Home;
use screen::Screen;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};
use zbus::{Connection, connection};

/// The binary under test.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_clawspend-desktop");

/// Far longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds what it looks for.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `look` sees exactly `expected`, and shows what it saw instead.
pub(crate) async fn becomes<T: PartialEq + std::fmt::Debug>(
    expected: T,
    mut look: impl AsyncFnMut() -> T,
) {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if seen == expected {
            return;
        }
        assert!(
            Instant::now() < end,
            "stays {seen:?}, expected {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A process that ends with its owner.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(
            command.spawn().unwrap_or_else(|error| {
                panic!("cannot start {:?}: {error}", command.get_program())
            }),
        )
    }

    /// Starts a process that tells one line about itself first.
    fn start_and_hear(command: &mut Command) -> (Self, String) {
        let mut process = Self::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut line = String::new();
        let stdout = process.0.stdout.take().expect("a piped stdout");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a line from the process");
        (process, line.trim().to_owned())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child to ask").is_none()
    }

    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill")
            .arg(self.0.id().to_string())
            .status()
            .expect("kill to run");
        assert!(killed.success(), "cannot signal process {}", self.0.id());
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the process to end", async || {
            self.0.try_wait().expect("a child to ask")
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A failed test shows what the app had to say.
impl Drop for Desktop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the app said:\n{}\nrunning: {:?}",
                self.said(),
                self.programs("")
            );
        }
    }
}

/// An X server, a session bus and a home; no panel and no notification service.
pub(crate) struct Desktop {
    pub(crate) home: Home,
    bus: String,
    display: String,
    _servers: [Process; 2],
}

impl Desktop {
    pub(crate) fn start(home: Home) -> Self {
        let mut bus = Command::new("dbus-daemon");
        let (bus_process, bus) = Process::start_and_hear(
            bus.args(["--session", "--nofork", "--print-address=1"])
                .envs(home.variables()),
        );
        let mut x = Command::new("Xvfb");
        x.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x900x24",
            "-nolisten",
            "tcp",
        ]);
        let (x_process, number) = {
            // Servers that look for a free number at the same moment may find the same one.
            static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
            let _turn = ONE_AT_A_TIME.lock();
            Process::start_and_hear(&mut x)
        };
        Self {
            home,
            bus,
            display: format!(":{number}"),
            _servers: [bus_process, x_process],
        }
    }

    /// A command that lives on this desktop.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.home.variables())
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Starts the app; what it says goes to [`Desktop::said`].
    pub(crate) fn app(&self, arguments: &[&str]) -> Process {
        Process::start(self.app_command().args(arguments))
    }

    pub(crate) fn app_command(&self) -> Command {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a log file");
        let mut command = self.command(APP);
        command.stderr(log);
        command
    }

    /// What the app has written to stderr so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("app.stderr")
    }

    pub(crate) async fn connect(&self) -> Connection {
        self.connection().build().await.expect("the private bus")
    }

    fn connection(&self) -> connection::Builder<'static> {
        connection::Builder::address(self.bus.as_str()).expect("the bus's own address")
    }

    /// How many windows of the app are on the screen.
    pub(crate) fn windows(&self) -> usize {
        Screen::of(self).windows().len()
    }

    /// Closes the app's windows as their title bars' buttons would.
    pub(crate) fn close_windows(&self) {
        Screen::of(self).close_windows();
    }

    /// Names of this desktop's running programs, such as `WebKitWebProcess`, as far as they begin with `prefix`.
    pub(crate) fn programs(&self, prefix: &str) -> Vec<String> {
        let home = format!("HOME={}", self.home.path().display());
        let mut names = Vec::new();
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let read = |file: &str| fs::read(process.path().join(file)).unwrap_or_default();
            let lives_here = read("environ")
                .split(|byte| *byte == 0)
                .any(|variable| variable == home.as_bytes());
            let command = read("cmdline");
            let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
            let program = String::from_utf8_lossy(program);
            let name = Path::new(program.as_ref())
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if lives_here && name.starts_with(prefix) {
                names.push(name);
            }
        }
        names
    }

    /// Keeps a picture of the screen where the developer asked for one.
    pub(crate) fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("CLAWSPEND_PICTURES") {
            let file = Path::new(&folder).join(name).with_extension("png");
            let _ = self
                .command("import")
                .args(["-window", "root"])
                .arg(file)
                .status();
        }
    }
}
