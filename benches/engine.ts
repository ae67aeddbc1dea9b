export { chooseKernel } from "../www/engine/kernels";
export { hasRelaxedSimd } from "../www/engine/support";
