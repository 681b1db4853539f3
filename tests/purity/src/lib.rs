//! The pure crates, linked alone: a panic handler and an allocator of our own stand where std's would. If anything in their
//! tree brings std, two handlers meet and this does not compile. Built by `.ci/run` with `--profile purity`.
#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use thicket_reducer::ClientRules;
use thicket_types::event::Event;
use thicket_types::ports::{Place, Reducer as _};

struct NoMemory;

// SAFETY: it never hands out memory, so it can hand out none wrongly; the library is linked and never run.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Reaches the rules and the services, so that they are linked.
pub fn reach(place: Place, event: &Event, scope: &mut thicket_services::Scope<'_>, frame: &[u8]) -> usize {
    let mut state = ClientRules::fresh();
    let effects = ClientRules::reduce(ClientRules::RULES, &mut state, place, event);
    thicket_services::handle(scope, frame).answer.len() + effects.len()
}
