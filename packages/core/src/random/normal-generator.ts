/** A source of standard normal numbers that reproduces a PyTorch device's `torch.randn`. */
export interface NormalGenerator {
  /**
   * The next `count` numbers, as one call of `torch.randn` with that many elements gives them.
   * How the draws are split into calls matters: it does in PyTorch, too.
   */
  randn(count: number): Float32Array;
}
