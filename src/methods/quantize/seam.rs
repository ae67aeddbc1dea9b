//! Where the input of a layer can be scaled channel by channel without any work at run time: the scale goes into what makes the
//! channel, and its inverse into the weights that read it.

use crate::models::Network;

/// A layer whose input channels can be divided, each by its own positive number, by what makes them.
pub(super) struct Seam {
    /// The node whose rows are divided: a layer with weights, a batch norm or a layer norm.
    pub maker: usize,
    /// Its row that makes channel 0.
    first_row: usize,
    /// The layer that reads the channels.
    pub reader: usize,
    /// Channels between the two.
    pub channels: usize,
}

/// Whether the node is a convolution or fully connected layer, one output channel per row of its weight.
pub(super) fn has_rows(network: &Network, node: usize) -> bool {
    matches!(network.graph.nodes()[node].op.kind(), "conv2d" | "linear") && network.weight_of(node).is_some()
}

/// Every seam, readers in graph order. Between maker and reader only stand functions with f(c·x) = c·f(x) for c > 0, channel by
/// channel, and nothing else reads the values on the way. Attention is such a function of its values (not of queries and keys).
pub(super) fn find(network: &Network) -> Vec<Seam> {
    let nodes = network.graph.nodes();
    let seam = |reader: usize| {
        let mut at = reader;
        let mut first_row = 0;
        loop {
            let maker = nodes[at].inputs[0].index().checked_sub(1)?;
            if network.graph.only_reader(maker) != Some(at) {
                return None;
            }
            match nodes[maker].op.kind() {
                "relu" | "leaky_relu" | "max_pool2d" | "avg_pool2d" | "global_avg_pool" | "flatten" => at = maker,
                // Queries, keys and values stand one after the other; the values are the last third.
                "causal_attention" if first_row == 0 => {
                    first_row = 2 * network.graph.shapes()[maker + 1].dims()[0];
                    at = maker;
                }
                kind => {
                    let made = first_row == 0 && matches!(kind, "batch_norm" | "layer_norm");
                    let rows = nodes[maker].params.first().map_or(0, |spec| spec.shape.dims()[0]);
                    let channels = rows.checked_sub(first_row)?;
                    let ends = made || has_rows(network, maker);
                    return ends.then_some(Seam { maker, first_row, reader, channels });
                }
            }
        }
    };
    (0..nodes.len()).filter(|&node| has_rows(network, node)).filter_map(seam).collect()
}

/// Which weights of a layer read a channel.
pub(super) struct Reads {
    taps: usize,
    inputs: usize,
    kernel: usize,
    group_rows: usize,
    /// Behind a flatten, one channel is several inputs of a fully connected layer in a row.
    pub per_channel: usize,
}

impl Reads {
    /// Those of layer `reader`, of `channels` channels.
    pub fn new(network: &Network, reader: usize, channels: usize) -> Self {
        let node = &network.graph.nodes()[reader];
        let dims = node.params[0].shape.dims();
        let taps = dims[1..].iter().product::<usize>();
        let (rows, inputs, kernel) = (dims[0], dims[1], dims[2..].iter().product::<usize>());
        let features = network.graph.input_shapes(node).first().map_or(1, |shape| shape.dims()[0]);
        let group_rows = rows / (features / inputs).max(1);
        Self { taps, inputs, kernel, group_rows, per_channel: (features / channels).max(1) }
    }

    /// Positions in the weight.
    pub fn of(&self, channel: usize) -> impl Iterator<Item = usize> + use<> {
        let Self { taps, inputs, kernel, group_rows, per_channel } = *self;
        let feature = channel * per_channel;
        let (group, start) = (feature / inputs, feature % inputs * kernel);
        (group * group_rows..(group + 1) * group_rows)
            .flat_map(move |row| (0..per_channel * kernel).map(move |i| row * taps + start + i))
    }
}

impl Seam {
    /// Divides what the maker gives by `scales`, one for each channel, and multiplies the reader's weights by them; each value in
    /// f64, rounded to f32 once.
    pub fn scale(&self, network: &mut Network, scales: &[f64]) {
        let first = network.graph.nodes()[self.maker].first_param;
        for index in [first, first + 1] {
            let parameter = &mut network.parameters[index];
            let rows = parameter.latent.shape().dims()[0];
            let taps = parameter.latent.data().len() / rows;
            let own = &mut parameter.latent.data_mut()[self.first_row * taps..];
            for (row, scale) in own.chunks_mut(taps).zip(scales) {
                row.iter_mut().for_each(|value| *value = (f64::from(*value) / scale) as f32);
            }
            parameter.transformed = true;
        }
        let reads = Reads::new(network, self.reader, self.channels);
        let weight = &mut network.parameters[network.graph.nodes()[self.reader].first_param];
        for (channel, scale) in scales.iter().enumerate() {
            let values = weight.latent.data_mut();
            reads.of(channel).for_each(|i| values[i] = (f64::from(values[i]) * scale) as f32);
        }
        weight.transformed = true;
    }
}
