//! Memory at the starts of cache lines: the allocator of WebAssembly promises 8 bytes, and a vector of 16 that lies across two
//! lines costs two accesses. Where a block came to lie decided a fifth of a network's speed.

use std::alloc::{GlobalAlloc, Layout, System};

/// The allocator there is, with everything of more than a few vectors at a multiple of [`LINE`].
struct Lines;

/// Bytes of a cache line.
const LINE: usize = 64;
/// Fewest bytes that are worth it.
const LEAST: usize = 256;

fn placed(layout: Layout) -> Layout {
    if layout.size() < LEAST { layout } else { layout.align_to(LINE).unwrap_or(layout) }
}

// SAFETY: every block is asked for and given back under the layout that `placed` makes of the caller's, which only depends on
// that layout; its alignment is never less. `realloc` is the trait's own: it allocates, copies and gives back by these two.
unsafe impl GlobalAlloc for Lines {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` holds for the same size at a greater alignment.
        unsafe { System.alloc(placed(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(placed(layout)) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `alloc` with this layout, and so from the system under `placed(layout)`.
        unsafe { System.dealloc(block, placed(layout)) }
    }
}

#[global_allocator]
static LINES: Lines = Lines;
