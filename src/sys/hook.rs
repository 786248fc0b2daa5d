//! The event hook: how a runtime gets to handle signals while one of its threads is inside a call.

use std::ffi::c_void;

use parking_lot::RwLock;

/// Called with the argument it was set with; 0 goes on, anything else stops the operation.
pub type EventHook = unsafe extern "C" fn(arg: *mut c_void) -> i32;

#[derive(Clone, Copy)]
struct Hook {
    call: EventHook,
    arg: *mut c_void,
}

// SAFETY: the pointer is only ever handed back to the hook, and usocket_set_event_hook tells its
// caller that any thread may run the hook.
unsafe impl Send for Hook {}
// SAFETY: as for Send.
unsafe impl Sync for Hook {}

static HOOK: RwLock<Option<Hook>> = RwLock::new(None);

/// Sets or, with `None`, removes the hook of the process.
pub fn set(call: Option<EventHook>, arg: *mut c_void) {
    *HOOK.write() = call.map(|call| Hook { call, arg });
}

/// Runs the hook, if there is one; true means go on. No lock of ours is held meanwhile.
pub fn run() -> bool {
    let hook = *HOOK.read();
    match hook {
        // SAFETY: whoever set it vouched for pointer and argument.
        Some(hook) => unsafe { (hook.call)(hook.arg) == 0 },
        None => true,
    }
}
