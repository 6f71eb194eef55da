//! The X server's windows.

use super::Desktop;
use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window},
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

const TITLE: &[u8] = b"Clawspend";

/// See the module.
pub(super) struct Screen {
    x: RustConnection,
    root: Window,
}

impl Screen {
    pub(super) fn of(desktop: &Desktop) -> Self {
        let (x, number) =
            RustConnection::connect(Some(&desktop.display)).expect("the private X server");
        let root = x.setup().roots[number].root;
        Self { x, root }
    }

    /// The app's windows that can be seen.
    pub(super) fn windows(&self) -> Vec<Window> {
        let all = self
            .x
            .query_tree(self.root)
            .expect("the X server")
            .reply()
            .expect("a tree")
            .children;
        all.into_iter()
            .filter(|window| self.is_shown(*window).unwrap_or(false))
            .collect()
    }

    /// `None` when the window went away meanwhile.
    fn is_shown(&self, window: Window) -> Option<bool> {
        let attributes = self.x.get_window_attributes(window).ok()?.reply().ok()?;
        let title = self
            .x
            .get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)
            .ok()?
            .reply()
            .ok()?;
        // GTK keeps a window of one pixel under the app's name.
        let size = self.x.get_geometry(window).ok()?.reply().ok()?;
        Some(attributes.map_state == MapState::VIEWABLE && title.value == TITLE && size.width > 100)
    }

    pub(super) fn close_windows(&self) {
        let atom = |name: &[u8]| {
            self.x
                .intern_atom(false, name)
                .expect("the X server")
                .reply()
                .expect("an atom")
                .atom
        };
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        for window in self.windows() {
            let request = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
            self.x
                .send_event(false, window, EventMask::NO_EVENT, request)
                .expect("the X server");
        }
        self.x.sync().expect("the X server");
    }
}
