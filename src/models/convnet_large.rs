//! The large network on Fashion-MNIST, which others learn from: ResNet-8 with wider later stacks.

use super::Model;
use super::resnet8;

pub(super) static MODEL: Model = Model {
    id: "convnet-large-fashion",
    code: "convnet-large-fashion",
    name: "ConvNet large",
    data: "fashion",
    source: "He et al. 2016, arXiv 1512.03385",
    build: || resnet8::build(&[1, 28, 28], &[16, 32, 88]),
};
