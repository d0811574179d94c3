//! Producing records whose headers have names of any bytes.

use std::ffi::{CString, c_void};

use rdkafka::bindings::{
    self, rd_kafka_headers_t, rd_kafka_resp_err_t, rd_kafka_vtype_t, rd_kafka_vu_s,
    rd_kafka_vu_s__bindgen_ty_1, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1,
};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::owned::Owned;

/// The name of a header and its value, which may be null.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record to be written.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    /// Nothing lets the client choose by the key.
    pub partition: Option<i32>,
    /// Unix milliseconds; nothing is written as "no timestamp". 0 means "now" to the client, so it
    /// is written as 1.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header<'a>],
}

/// What a record without a timestamp has in its place.
const NO_TIMESTAMP: i64 = -1;
/// The client takes a missing partition for a choice by its partitioner.
const ANY_PARTITION: i32 = -1;

/// Hands a record to the producer, which copies it and returns at once.
///
/// What becomes of it is told to the producer's context (`ProducerContext::delivery`), with
/// `opaque`, when the producer is polled.
///
/// # Errors
/// If the producer does not take the record: nothing will be told of it. Its queue may be full, in
/// which case it has to be polled; the record may be larger than the client's `message.max.bytes`.
pub fn produce<C: ProducerContext<DeliveryOpaque = usize>>(
    producer: &BaseProducer<C>,
    record: &Outgoing<'_>,
    opaque: usize,
) -> Result<(), KafkaError> {
    use rd_kafka_vtype_t as tag;

    let topic = CString::new(record.topic)?;
    let headers = native_headers(record.headers)?;
    let timestamp = match record.timestamp {
        None => NO_TIMESTAMP,
        Some(0) => 1,
        Some(millis) => millis,
    };
    let partition = record.partition.unwrap_or(ANY_PARTITION);
    let arguments = [
        argument(tag::RD_KAFKA_VTYPE_TOPIC, |of| of.cstr = topic.as_ptr()),
        argument(tag::RD_KAFKA_VTYPE_PARTITION, |of| of.i32_ = partition),
        argument(tag::RD_KAFKA_VTYPE_MSGFLAGS, |of| {
            of.i = bindings::RD_KAFKA_MSG_F_COPY;
        }),
        argument(tag::RD_KAFKA_VTYPE_VALUE, |of| of.mem = bytes(record.value)),
        argument(tag::RD_KAFKA_VTYPE_KEY, |of| of.mem = bytes(record.key)),
        argument(tag::RD_KAFKA_VTYPE_TIMESTAMP, |of| of.i64_ = timestamp),
        argument(tag::RD_KAFKA_VTYPE_OPAQUE, |of| {
            of.ptr = opaque as *mut c_void;
        }),
        argument(tag::RD_KAFKA_VTYPE_HEADERS, |of| {
            of.headers = headers.as_ptr();
        }),
    ];
    // SAFETY: the producer is borrowed and therefore alive. Each argument has the field set that its
    // tag says. Key and value are copied before the call returns, as the flag demands, and the
    // library does not write to them; the topic's name is only read. The number is never taken for
    // an address: the context's `DeliveryOpaque` is a number too.
    let error = unsafe {
        bindings::rd_kafka_produceva(
            producer.client().native_ptr(),
            arguments.as_ptr(),
            arguments.len(),
        )
    };
    // SAFETY: an error that is not null is the caller's to destroy, with this function.
    let error = unsafe { Owned::new(error, bindings::rd_kafka_error_destroy) };
    match error {
        // The library owns the headers now.
        None => {
            headers.release();
            Ok(())
        }
        Some(error) => {
            // SAFETY: the error is ours and alive, and the function only reads it.
            let code = unsafe { bindings::rd_kafka_error_code(error.as_ptr()) };
            Err(KafkaError::MessageProduction(code.into()))
        }
    }
}

/// One tagged argument of a call that takes many.
fn argument(
    tag: rd_kafka_vtype_t,
    set: impl FnOnce(&mut rd_kafka_vu_s__bindgen_ty_1),
) -> rd_kafka_vu_s {
    let mut value = rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    set(&mut value);
    rd_kafka_vu_s {
        vtype: tag,
        u: value,
    }
}

fn bytes(of: Option<&[u8]>) -> rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: of.map_or(std::ptr::null_mut(), |of| of.as_ptr() as *mut c_void),
        size: of.map_or(0, <[u8]>::len),
    }
}

fn native_headers(headers: &[Header<'_>]) -> Result<Owned<rd_kafka_headers_t>, KafkaError> {
    let failed = |code| KafkaError::MessageProduction(code);
    // SAFETY: the function has no condition.
    let native = unsafe { bindings::rd_kafka_headers_new(headers.len()) };
    // SAFETY: the headers were just made for us, and this is how they are destroyed.
    let native = unsafe { Owned::new(native, bindings::rd_kafka_headers_destroy) }
        .ok_or(failed(RDKafkaErrorCode::Fail))?;
    for (name, value) in headers {
        // A length of -1 would mean text that ends with a NUL; a slice is never so long.
        let (name_length, value_length) = (
            name.len().cast_signed(),
            value.map_or(0, <[u8]>::len).cast_signed(),
        );
        let value = value.map_or(std::ptr::null(), <[u8]>::as_ptr);
        // SAFETY: the headers are ours and alive; name and value are alive, have the lengths said,
        // and are copied.
        let outcome = unsafe {
            bindings::rd_kafka_header_add(
                native.as_ptr(),
                name.as_ptr().cast(),
                name_length,
                value.cast(),
                value_length,
            )
        };
        if outcome != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(failed(outcome.into()));
        }
    }
    Ok(native)
}
