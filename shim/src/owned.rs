//! Objects of the C library that end with their scope.

use std::ptr::NonNull;

/// An object that is destroyed when it is dropped.
pub struct Owned<T> {
    object: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes an object over; nothing for a null pointer.
    ///
    /// # Safety
    /// `object` is null, or valid and nobody else's to destroy; `destroy` is the function that the
    /// library has for it.
    pub unsafe fn new(object: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(object).map(|object| Self { object, destroy })
    }

    /// The object, which lives at least as long as this.
    pub fn as_ptr(&self) -> *mut T {
        self.object.as_ptr()
    }

    /// Gives the object away: it is no longer destroyed here.
    pub fn release(self) {
        std::mem::forget(self);
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: who made this promised that the object is valid, that it is ours, and that this
        // function destroys it; it is called once, as `release` forgets the value.
        unsafe { (self.destroy)(self.object.as_ptr()) }
    }
}
