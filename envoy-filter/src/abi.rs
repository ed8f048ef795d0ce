//! The proxy-wasm ABI 0.2.1: what the host calls. What it is asked is in [`calls`].
#![expect(unsafe_code, reason = "this file exists to speak the proxy-wasm ABI")]

use std::cell::RefCell;

use keystone_verifier::text;

use crate::host::{Host, Level};
use crate::outcome::Action;
use crate::vm::Vm;

mod calls;

use calls::Abi;

thread_local! {
    static VM: RefCell<Vm<Abi>> = const { RefCell::new(Vm::new(Abi)) };
}

/// Runs `call` on the VM. The host never calls back into a running call; if it did, `otherwise` is the answer.
fn vm<T>(otherwise: T, call: impl FnOnce(&mut Vm<Abi>) -> T) -> T {
    VM.with(|vm| match vm.try_borrow_mut() {
        Ok(mut vm) => call(&mut vm),
        Err(_) => otherwise,
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // Should the impossible happen, the log says where.
    std::panic::set_hook(Box::new(|panic| Abi.log(Level::Critical, &text!("{panic}"))));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    // The host fills it.
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    vm((), |vm| vm.create(context, parent));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, _size: usize) -> bool {
    vm(false, |vm| vm.configure(context))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    vm((), |vm| vm.tick(context));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    call: u32,
    _headers: usize,
    body: usize,
    _trailers: usize,
) {
    vm((), |vm| vm.fetched(context, call, body));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _headers: usize, _end_of_stream: bool) -> u32 {
    vm(Action::Stop, |vm| vm.request(context)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(_context: u32, _trailers: usize) -> u32 {
    vm(Action::Stop, |vm| vm.trailers()) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    vm((), |vm| vm.delete(context));
}
