//! Headers of records, with names of any bytes.

use std::ffi::CStr;

use rdkafka::bindings::{self, rd_kafka_message_t, rd_kafka_resp_err_t};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

/// Calls `take` with the name and the value of each header, in the order of the record.
///
/// Names and values are bytes as they were written, and a value may be null. A name ends at its
/// first NUL byte, because the library does not tell how long it is.
///
/// The message is borrowed for this call alone: the library reads the headers from the bytes of the
/// record when they are first asked for, and keeps them in the message.
///
/// # Errors
/// If the bytes are no headers; `take` was not called then.
pub fn each_header(
    message: &mut BorrowedMessage<'_>,
    take: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<(), KafkaError> {
    // SAFETY: the message is alive, and borrowed for us alone.
    unsafe { each_header_of(message.ptr(), take) }
}

/// The same of a message as the library has it.
///
/// # Safety
/// The message is valid, a record, and nobody else looks at it meanwhile.
pub(crate) unsafe fn each_header_of(
    message: *mut rd_kafka_message_t,
    mut take: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<(), KafkaError> {
    let mut headers = std::ptr::null_mut();
    // SAFETY: nobody else looks at the message while the library writes the headers into it, as the
    // caller promised; `headers` is ours to be written to.
    let outcome = unsafe { bindings::rd_kafka_message_headers(message, &raw mut headers) };
    match outcome {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__NOENT => return Ok(()),
        error => return Err(KafkaError::MessageConsumption(error.into())),
    }
    // SAFETY: the library has just given the headers, which live as long as the message.
    let count = unsafe { bindings::rd_kafka_header_cnt(headers) };
    for index in 0..count {
        let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the headers are alive as above, and the three places are ours to be written to.
        let outcome = unsafe {
            bindings::rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            )
        };
        if outcome != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            break;
        }
        // SAFETY: the library ends every name that it keeps with a NUL, and it lives as long as the
        // headers.
        let name = unsafe { CStr::from_ptr(name) };
        let value = (!value.is_null()).then(|| {
            // SAFETY: a value that is not null has `length` bytes, which live as long as the
            // headers and which nobody writes to.
            unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) }
        });
        take(name.to_bytes(), value);
    }
    Ok(())
}
