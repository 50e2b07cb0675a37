import { answer, at, isError, size, takePairs, takeString, utf8 } from "./memory";

/** The value of one of the plugin's options; null where the operator did not give it. */
export function getOption(key: string): string | null {
  const name = utf8(key);
  hostGet(at(name), size(name), answer);
  return isError() ? takeString(load<u32>(answer, 4), load<u32>(answer, 8)) : null;
}

/** All of the plugin's options. */
export function allOptions(): Map<string, string> {
  hostAll(answer);
  return takePairs(load<u32>(answer), load<u32>(answer, 4));
}

@external("sandloop:plugin/options@0.1.1", "get")
declare function hostGet(key: usize, length: usize, to: usize): void;

@external("sandloop:plugin/options@0.1.1", "all")
declare function hostAll(to: usize): void;
