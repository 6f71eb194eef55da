//! Role 1: the engine and what it says in the tray, in notifications and, on request, in a dashboard process.
//!
//! ```text
//! engine ── Update ─► TrayView (view) ─► Drawer (when) ─► Tray (draw)
//!              └────► fired alerts ────► notify
//! ```

mod autostart;
mod dashboard;
mod draw;
mod drawer;
pub(crate) mod headless;
#[cfg(target_os = "linux")]
mod host;
mod notify;
mod view;

use crate::{
    role::{AUTOSTART, Start},
    settings,
};
use clawspend_core::{
    engine::{self, Handle, Listener, Update},
    environment::Environment,
    time::{UnixMillis, add_days, day_start},
};
use dashboard::Dashboard;
use draw::{Action, Tray};
use drawer::Drawer;
use jiff::tz::TimeZone;
use std::{
    io,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Instant,
};
use tauri::{App, AppHandle, Context, Manager, RunEvent};
use view::TrayView;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// What the menu acts on.
struct Controls {
    environment: Environment,
    dashboard: Dashboard,
    engine: Mutex<Option<Handle>>,
    /// When the user's next day begins, by the last update.
    tomorrow: Mutex<UnixMillis>,
}

/// Shows today's spend in the tray until the user quits.
pub(crate) fn run(context: Context, environment: Environment, start: Start) -> ExitCode {
    let dashboard = match Dashboard::of_this_program() {
        Ok(dashboard) => dashboard,
        Err(error) => {
            eprintln!("cannot start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let controls = Arc::new(Controls {
        environment,
        dashboard: dashboard.clone(),
        engine: Mutex::new(None),
        tomorrow: Mutex::new(UnixMillis::now().plus(24 * HOUR_MILLIS)),
    });
    let second_launch = move |_: &AppHandle, arguments: Vec<String>, _| {
        if !arguments.iter().any(|argument| argument == AUTOSTART) {
            dashboard.open();
        }
    };
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(second_launch))
        .manage(controls.clone())
        .setup(move |app| {
            set_up(app, &controls, start);
            Ok(())
        })
        .build(context);
    match app {
        Ok(app) => {
            app.run(on_event);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing in here may end the app: what a desktop cannot show, it goes without.
fn set_up(app: &mut App, controls: &Arc<Controls>, start: Start) {
    #[cfg(target_os = "macos")]
    app.set_activation_policy(tauri::ActivationPolicy::Accessory);
    #[cfg(target_os = "linux")]
    exit_on_signals(app.handle());

    let (views, wanted) = mpsc::channel();
    let first = TrayView::starting();
    let tray = Tray::create(app, &first, act);
    let no_tray = tray.is_err();
    match tray {
        Ok(tray) => {
            let app = app.handle().clone();
            thread::spawn(move || keep_drawn(&app, &Arc::new(tray), Drawer::new(first), &wanted));
        }
        Err(error) => eprintln!(
            "cannot show a tray icon: {error:#}; the dashboard and notifications still work"
        ),
    }
    match start {
        Start::WithDashboard => controls.dashboard.open(),
        Start::ByHand if no_tray => controls.dashboard.open_instead_of_tray(),
        #[cfg(target_os = "linux")]
        Start::ByHand => host::if_missing(controls.dashboard.clone()),
        _ => {}
    }

    match start_engine(controls, views.clone()) {
        Ok(engine) => *lock(&controls.engine) = Some(engine),
        Err(error) => {
            eprintln!("cannot follow the logs: {error}");
            // The writer is gone only where there is no tray.
            let _ = views.send(TrayView::without_engine(&error.to_string()));
        }
    }
}

fn start_engine(controls: &Arc<Controls>, views: mpsc::Sender<TrayView>) -> io::Result<Handle> {
    let dashboard = controls.dashboard.clone();
    let alerts = notify::start(notify::Native::new(move || dashboard.open()));
    let mut autostart = autostart::Entry::of(&controls.environment.paths, &controls.dashboard);
    let environment = controls.environment.clone();
    let controls = controls.clone();
    engine::start(environment, Listener::Notifier, move |update: Update| {
        if let Some(summary) = &update.summary {
            let zone = TimeZone::get(&summary.timezone).unwrap_or(TimeZone::UTC);
            *lock(&controls.tomorrow) = day_start(add_days(summary.day, 1), &zone);
        }
        autostart.follow(update.config.start_at_login);
        let _ = views.send(TrayView::from(&update));
        for alert in update.fired {
            let _ = alerts.send(alert);
        }
    })
}

/// The only writer of the tray: draws what is wanted, when it is due.
fn keep_drawn(app: &AppHandle, tray: &Arc<Tray>, mut drawer: Drawer, wanted: &Receiver<TrayView>) {
    loop {
        let news = match drawer.wait(Instant::now()) {
            None => wanted.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => wanted.recv_timeout(wait),
        };
        match news {
            Ok(view) => drawer.want(view),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(next) = drawer.due(Instant::now()) else {
            continue;
        };
        let (tray, mut drawn, (done, reached)) =
            (tray.clone(), drawer.drawn().clone(), mpsc::channel());
        let asked = app.run_on_main_thread(move || {
            if let Err(error) = tray.draw(&mut drawn, &next) {
                tracing::warn!("cannot draw all of the tray: {error}");
            }
            let _ = done.send(drawn);
        });
        match (asked, reached.recv()) {
            (Ok(()), Ok(drawn)) => drawer.reached(drawn),
            _ => return,
        }
    }
}

/// What the user chose.
fn act(app: &AppHandle, action: Action) {
    let controls = app.state::<Arc<Controls>>();
    let pause = |until| {
        if let Some(engine) = &*lock(&controls.engine) {
            engine.pause_notifications(until);
        }
    };
    match action {
        Action::OpenDashboard => controls.dashboard.open(),
        Action::PauseForAnHour => pause(Some(UnixMillis::now().plus(HOUR_MILLIS))),
        Action::PauseUntilTomorrow => pause(Some(*lock(&controls.tomorrow))),
        Action::Resume => pause(None),
        Action::OpenSettings => {
            if let Err(error) = settings::open(&controls.environment.paths) {
                eprintln!("{error:#}");
            }
        }
        Action::Quit => app.exit(0),
    }
}

fn on_event(app: &AppHandle, event: RunEvent) {
    match event {
        // No code: the last window closed, which is no reason for the tray to leave.
        RunEvent::ExitRequested {
            code: None, api, ..
        } => api.prevent_exit(),
        RunEvent::Exit => drop(lock(&app.state::<Arc<Controls>>().engine).take()),
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => app.state::<Arc<Controls>>().dashboard.open(),
        _ => {}
    }
}

/// Ends the app in order on SIGINT and SIGTERM.
#[cfg(target_os = "linux")]
pub(crate) fn exit_on_signals(app: &AppHandle) {
    for signal in headless::ENDING_SIGNALS {
        let app = app.clone();
        gtk::glib::unix_signal_add(signal, move || {
            app.exit(0);
            gtk::glib::ControlFlow::Continue
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
