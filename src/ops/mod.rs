//! Operations: one file per op with shape, parameters, cost, forward and backward.
//!
//! An [`Op`] describes; [`Op::prepare`] makes a [`Layer`] that runs, with its weights packed. To add an op, write its
//! file and name it in a model.

mod activation;
mod add;
mod avg_pool2d;
mod batch_norm;
mod cached_attention;
mod cached_embedding;
mod causal_attention;
mod concat;
mod conv2d;
mod dynamic_grid;
mod embedding;
mod flatten;
mod flow;
mod global_avg_pool;
mod hadamard;
mod input_grid;
mod layer_norm;
mod linear;
mod matmul;
mod matrix;
mod max_pool2d;
mod moves;
mod pad;
mod relu;
mod reshape;
mod signs;
mod softmax;
mod tail;
mod transpose;
mod weighted;

pub use activation::Activation;
pub use add::Add;
pub use avg_pool2d::AvgPool2d;
pub use batch_norm::{BatchNorm, EPSILON as BATCH_NORM_EPSILON};
pub use cached_attention::CachedAttention;
pub use cached_embedding::CachedEmbedding;
pub use causal_attention::CausalAttention;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub use dynamic_grid::{DynamicGrid, Rounder};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use flow::{Flow, channels};
pub use global_avg_pool::GlobalAvgPool;
pub use hadamard::Hadamard;
pub use input_grid::InputGrid;
pub(crate) use input_grid::within;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use matmul::MatMul;
pub use max_pool2d::MaxPool2d;
pub use pad::Pad;
pub use relu::Relu;
pub use reshape::Reshape;
pub use softmax::Softmax;
pub use tail::{Finish, Rest, RowStep, Tail};
pub use transpose::Transpose;

use crate::kernels::RowSink;
use crate::kernels::conv::ConvShape;
use crate::kernels::integer::{Buffers, Steps};
use crate::kernels::single::Spread;
use crate::kernels::weight_only::WeightOnly;
use crate::kernels::xnor::SignScratch;
use crate::tensor::{Shape, Tensor, TensorError};
use std::sync::Arc;

/// How a fresh parameter is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Uniform in ±√(6 / fan_in) (He et al. 2015, for ReLU networks).
    HeUniform {
        /// Inputs of one output.
        fan_in: usize,
    },
    /// All zero.
    Zeros,
    /// All one.
    Ones,
}

/// A parameter that an op wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// `weight` or `bias`.
    pub name: &'static str,
    /// Its shape, output channel first.
    pub shape: Shape,
    /// How it starts.
    pub init: Init,
    /// Whether gradients change it. Statistics are not trained: [`Layer::batch_statistics`] moves them.
    pub trained: bool,
}

/// With what numbers a layer computes.
#[derive(Clone, Copy, Debug, Default)]
pub enum Arithmetic<'a> {
    /// f32 inputs and weights.
    #[default]
    Float,
    /// The same by a kernel that skips zeros, however few there are, so that it can be timed.
    Sparse,
    /// The same; single images of linear layers are computed from these packed weights.
    Stored(&'a Arc<WeightOnly>),
    /// Inputs rounded to a grid, then f32 arithmetic.
    RoundedInputs(InputGrid),
    /// Inputs rounded to a grid that their own range gives, then f32 arithmetic.
    DynamicInputs(DynamicGrid),
    /// Integer inputs times integer weights, summed exactly in 32 bits.
    Integer {
        /// The grid of the inputs.
        grid: InputGrid,
        /// Integer weights (zero-point taken off), row-major, as the weight tensor.
        weights: &'a [i32],
        /// One weight scale per output channel.
        scales: &'a [f32],
    },
}

/// Parameters and arithmetic a layer is prepared with.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerParams<'a> {
    /// f32 parameters, in the order of [`Op::params`].
    pub tensors: &'a [&'a Tensor],
    /// With what numbers to compute.
    pub arithmetic: Arithmetic<'a>,
    /// Whether [`Layer::backward_inputs`] will be called.
    pub training: bool,
}

/// What a layer may overwrite while it runs; one per thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A rounded input.
    pub values: Vec<f32>,
    /// The padded input of a sparse convolution.
    pub padded: Vec<f32>,
    /// Of the kernels of one image.
    pub spread: Spread,
    /// An integer input.
    pub codes: Vec<i32>,
    /// An input's signs.
    pub signs: SignScratch,
    /// What the integer kernels overwrite.
    pub integer: Buffers,
}

/// What backward needs of one block: the forward inputs and output, and the output's gradient.
#[derive(Clone, Copy, Debug)]
pub struct BlockGradient<'a> {
    /// Images in the block's lanes; 8 but for the last.
    pub images: usize,
    /// Forward inputs.
    pub inputs: &'a [&'a [f32]],
    /// Gradient of the loss by the output.
    pub gradient: &'a [f32],
}

/// Geometry of an op that slides a window over its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Window {
    /// Window side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Groups of channels.
    pub groups: usize,
}

/// A description of an operation on one image (shapes have no batch dimension).
pub trait Op: std::fmt::Debug + Send + Sync {
    /// The op's name, such as `conv2d`.
    fn kind(&self) -> &'static str;

    /// The output's shape.
    ///
    /// # Errors
    /// A [`TensorError`] when the op does not take these inputs.
    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError>;

    /// The parameters it wants; empty for most. A `weight` comes first.
    ///
    /// # Errors
    /// A [`TensorError`] when the op does not take these inputs.
    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let _ = inputs;
        Ok(Vec::new())
    }

    /// Multiply-adds for one image. Ops without products count 0.
    ///
    /// # Errors
    /// A [`TensorError`] when the op does not take these inputs.
    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        let _ = inputs;
        Ok(0)
    }

    /// For an op whose outputs are its weight times windows of its input: those windows. A fully connected layer is a
    /// convolution of one position. `None` for all others, and for inputs the op does not take.
    fn windows(&self, inputs: &[&Shape]) -> Option<ConvShape> {
        let _ = inputs;
        None
    }

    /// Bytes that it keeps of each token for later ones to read, where that is its work.
    fn cache_bytes(&self, inputs: &[&Shape]) -> Option<u64> {
        let _ = inputs;
        None
    }

    /// Values beyond parameters that a stored network must hold for it.
    fn constants(&self) -> Option<&[f32]> {
        None
    }

    /// The same op with other [`Op::constants`]; `None` when it takes none, or not these.
    fn with_constants(&self, values: Vec<f32>) -> Option<Arc<dyn Op>> {
        let _ = values;
        None
    }

    /// The window it slides over its input, if it does.
    fn window(&self) -> Option<Window> {
        None
    }

    /// How channels pass through it. Without an answer none of its inputs' or output's can be taken out.
    fn flow(&self, inputs: &[&Shape]) -> Flow {
        let _ = inputs;
        Flow::Mixed
    }

    /// The same op with only the `kept` channels of its output, where those of its inputs have gone that [`Op::flow`] says go
    /// with the others; `None` when it takes its sizes from its inputs.
    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        let _ = kept;
        None
    }

    /// The op that does for one token, with those before it kept, what this one does for all of `tokens`: an attention finds their keys
    /// at `offset` of the inputs. `None` when it is the op itself.
    fn step(&self, tokens: usize, offset: usize) -> Option<Arc<dyn Op>> {
        let _ = (tokens, offset);
        None
    }

    /// A layer ready to run.
    ///
    /// # Errors
    /// A [`TensorError`] when inputs or parameters do not fit.
    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError>;
}

/// An operation ready to run on blocks of eight images (`[feature][lane]`).
pub trait Layer: Send + Sync {
    /// Looks at the whole batch before forward, while training: all blocks of the first input. Lanes from `images` on
    /// hold no image.
    fn observe(&self, inputs: &[&[f32]], images: usize) {
        let _ = (inputs, images);
    }

    /// Looks at all output gradients before [`Layer::backward_inputs`].
    fn observe_gradients(&self, inputs: &[&[f32]], gradients: &[&[f32]], images: usize) {
        let _ = (inputs, gradients, images);
    }

    /// What [`Layer::observe`] found, for the parameters that are not trained, in their order.
    fn batch_statistics(&self) -> Vec<Vec<f32>> {
        Vec::new()
    }

    /// Computes `out` from `inputs`; every element of `out` is written.
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch);

    /// The kernel that [`Layer::forward`] runs, or with `single` [`Layer::forward_one`]; `None` for dense f32 and for layers
    /// without weights.
    fn kernel(&self, single: bool) -> Option<String> {
        let _ = single;
        None
    }

    /// Bytes of the float weights it holds at the moment, in all forms: a single image and a block may want different ones.
    fn weight_bytes(&self) -> usize {
        0
    }

    /// Whether [`Layer::forward_rows`] is there.
    fn gives_rows(&self) -> bool {
        false
    }

    /// Computes the output from the only input row by row, for layers that say so: every row of `sink` is written once.
    fn forward_rows(&self, input: &[f32], sink: &mut dyn RowSink, scratch: &mut Scratch) {
        let _ = (input, sink, scratch);
    }

    /// Whether [`Layer::forward_blocks`] is there, and faster than block after block.
    fn takes_blocks(&self) -> bool {
        false
    }

    /// [`Layer::forward_rows`] for several blocks, each with its sink, for layers that say so.
    fn forward_blocks(&self, inputs: &[&[f32]], sinks: &mut [&mut dyn RowSink], scratch: &mut Scratch) {
        let _ = (inputs, sinks, scratch);
    }

    /// The grid of the codes that [`Layer::forward_codes`] takes in place of its input; `None` where it is not there.
    fn reads_codes(&self) -> Option<Steps> {
        None
    }

    /// [`Layer::forward_rows`] for several blocks `[feature][lane]` of codes on that grid, each with its sink.
    fn forward_codes(&self, inputs: &[&[i8]], sinks: &mut [&mut dyn RowSink], scratch: &mut Scratch) {
        let _ = (inputs, sinks, scratch);
    }

    /// Computes one image alone, plain NCHW values, with the bits of a lane of [`Layer::forward`]; false when there is no
    /// way but that.
    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) -> bool {
        let _ = (inputs, out, scratch);
        false
    }

    /// This layer as a step that can be done on single rows of the layer before it, with the same bits as
    /// [`Layer::forward`]; `None` when it cannot.
    fn as_row_step(&self) -> Option<RowStep> {
        None
    }

    /// Adds the gradients by the inputs to `grads` (one per input).
    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], scratch: &mut Scratch);

    /// Output rows whose parameter gradients are computed together, `(first, count)`; empty without parameters.
    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        Vec::new()
    }

    /// Writes the gradients of the parameters of rows `first..`, over all blocks of a batch. `grads[p]` holds just those
    /// rows of parameter `p`.
    fn backward_rows(
        &self,
        inputs: &[&[f32]],
        gradients: &[&[f32]],
        first: usize,
        grads: &mut [&mut [f32]],
        scratch: &mut Scratch,
    ) {
        let _ = (inputs, gradients, first, grads, scratch);
    }
}

/// The one input of an op that takes one.
///
/// # Errors
/// [`TensorError::Unsupported`] for any other number of inputs.
fn only<'a>(op: &'static str, inputs: &[&'a Shape]) -> Result<&'a Shape, TensorError> {
    match inputs {
        [input] => Ok(input),
        _ => Err(TensorError::Unsupported { op, shape: Shape::new(&[inputs.len()])?, wanted: "one input" }),
    }
}
