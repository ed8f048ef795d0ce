//! The proxy-wasm ABI 0.2.1: the calls to the host.
//!
//! Values cross as bytes, and every status but 0 is handed on as a refusal. Memory that the host fills comes from
//! `proxy_on_memory_allocate` and is owned by this side from then on.
#![expect(unsafe_code, reason = "this file exists to speak the proxy-wasm ABI")]

use std::ptr::null_mut;
use std::time::Duration;

use crate::header_map;
use crate::host::{Answer, Fetch, Host, Level, Metric, Shared};

/// The status of success.
const OK: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_RESPONSE_BODY: u32 = 4;
const REQUEST: u32 = 0;
const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const CALL_RESPONSE_HEADERS: u32 = 6;
/// The answer is plain HTTP; Envoy itself turns it into gRPC where the request is gRPC.
const NO_GRPC_STATUS: i32 = -1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_log(level: u32, line: *const u8, size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        limit: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, headers: *const u8, size: usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    safe fn proxy_set_effective_context(context: u32) -> u32;
    safe fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    safe fn proxy_increment_metric(metric: u32, by: i64) -> u32;
    safe fn proxy_record_metric(metric: u32, value: u64) -> u32;
    fn proxy_get_shared_data(
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> u32;
}

/// The real proxy.
#[derive(Debug)]
pub(crate) struct Abi;

impl Host for Abi {
    fn log(&self, level: Level, line: &str) {
        // SAFETY: the host copies `line` before it returns. A line that cannot be written is lost, as in any log.
        unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
    }

    fn now(&self) -> Duration {
        let mut nanoseconds = 0;
        // SAFETY: the host writes one u64. Without a clock it stays 1970: every token is issued in the future.
        unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
        Duration::from_nanos(nanoseconds)
    }

    fn configuration(&self) -> Option<Vec<u8>> {
        buffer(PLUGIN_CONFIGURATION, usize::MAX)
    }

    fn vm_id(&self) -> Option<Vec<u8>> {
        let path = "plugin_vm_id";
        // SAFETY: pointers and sizes are those of live values, which the host reads or fills before it returns.
        filled(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
    }

    fn tick_every(&self, period: Duration) {
        proxy_set_tick_period_milliseconds(milliseconds(period));
    }

    fn shared(&self, name: &str) -> Option<Shared> {
        let mut version = 0;
        // SAFETY: pointers and sizes are those of live values, which the host reads or fills before it returns.
        let value = filled(|data, size| unsafe {
            proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &raw mut version)
        })?;
        Some(Shared { value, version })
    }

    fn share(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        let version = version.unwrap_or(0);
        // SAFETY: the host copies name and value before it returns.
        unsafe {
            proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) == OK
        }
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Option<u32> {
        let headers = header_map::write(fetch.headers);
        let trailers = header_map::EMPTY;
        let mut call = 0;
        // SAFETY: the host copies everything before it returns, and writes one u32.
        let status = unsafe {
            proxy_http_call(
                fetch.cluster.as_ptr(),
                fetch.cluster.len(),
                headers.as_ptr(),
                headers.len(),
                [].as_ptr(),
                0,
                trailers.as_ptr(),
                trailers.len(),
                milliseconds(fetch.timeout),
                &raw mut call,
            )
        };
        (status == OK).then_some(call)
    }

    fn fetched_status(&self) -> Option<Vec<u8>> {
        let name = ":status";
        // SAFETY: pointers and sizes are those of live values, which the host reads or fills before it returns.
        filled(|data, size| unsafe {
            proxy_get_header_map_value(CALL_RESPONSE_HEADERS, name.as_ptr(), name.len(), data, size)
        })
    }

    fn fetched_body(&self, limit: usize) -> Option<Vec<u8>> {
        buffer(CALL_RESPONSE_BODY, limit)
    }

    fn request_headers(&self) -> Option<Vec<u8>> {
        pairs_of(REQUEST_HEADERS)
    }

    fn request_trailers(&self) -> Option<Vec<u8>> {
        pairs_of(REQUEST_TRAILERS)
    }

    fn set_request_header(&self, name: &str, value: &str) -> bool {
        // SAFETY: the host copies name and value before it returns.
        unsafe {
            proxy_replace_header_map_value(
                REQUEST_HEADERS,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            ) == OK
        }
    }

    fn remove_request_header(&self, name: &[u8]) -> bool {
        remove_from(REQUEST_HEADERS, name)
    }

    fn remove_request_trailer(&self, name: &[u8]) -> bool {
        remove_from(REQUEST_TRAILERS, name)
    }

    fn set_request_headers(&self, headers: &[(&[u8], &[u8])]) -> bool {
        let headers = header_map::write(headers);
        // SAFETY: the host copies the map before it returns.
        unsafe { proxy_set_header_map_pairs(REQUEST_HEADERS, headers.as_ptr(), headers.len()) == OK }
    }

    fn set_property(&self, name: &str, value: &str) -> bool {
        // SAFETY: the host copies name and value before it returns.
        unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) == OK }
    }

    fn respond(&self, answer: &Answer<'_>) -> bool {
        let headers = header_map::write(answer.headers);
        // SAFETY: the host copies everything before it returns.
        unsafe {
            proxy_send_local_response(
                u32::from(answer.status),
                answer.details.as_ptr(),
                answer.details.len(),
                answer.body.as_ptr(),
                answer.body.len(),
                headers.as_ptr(),
                headers.len(),
                NO_GRPC_STATUS,
            ) == OK
        }
    }

    fn set_effective_context(&self, context: u32) -> bool {
        proxy_set_effective_context(context) == OK
    }

    fn resume(&self) -> bool {
        proxy_continue_stream(REQUEST) == OK
    }

    fn define_metric(&self, kind: Metric, name: &str) -> Option<u32> {
        let mut metric = 0;
        // SAFETY: the host copies the name before it returns, and writes one u32.
        let status = unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric) };
        (status == OK).then_some(metric)
    }

    fn raise_metric(&self, metric: u32, by: u64) {
        proxy_increment_metric(metric, i64::try_from(by).unwrap_or(i64::MAX));
    }

    fn set_metric(&self, metric: u32, value: u64) {
        proxy_record_metric(metric, value);
    }
}

fn pairs_of(map: u32) -> Option<Vec<u8>> {
    // SAFETY: the host fills both places before it returns.
    filled(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

fn remove_from(map: u32, name: &[u8]) -> bool {
    // SAFETY: the host reads the name before it returns.
    unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) == OK }
}

fn buffer(buffer: u32, limit: usize) -> Option<Vec<u8>> {
    // SAFETY: the host fills both places before it returns.
    filled(|data, size| unsafe { proxy_get_buffer_bytes(buffer, 0, limit, data, size) })
}

/// The bytes that `call` has the host allocate and fill here.
fn filled(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() || size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: `data` is a boxed slice of `size` bytes from `proxy_on_memory_allocate`, and ours from here on.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
