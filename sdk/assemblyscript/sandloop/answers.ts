import { answer, takeString } from "./memory";
import { Address, ErrorCode } from "./types";

/** An answer without a value. */
// @ts-ignore: decorator
@inline export function plain(): ErrorCode {
  return load<u8>(answer) == 0 ? ErrorCode.None : <ErrorCode>(load<u8>(answer, 1) + 1);
}

/** An answer with an id: its error; the id is in `id()`. */
// @ts-ignore: decorator
@inline export function numbered(): ErrorCode {
  return load<u8>(answer) == 0 ? ErrorCode.None : <ErrorCode>(load<u8>(answer, 4) + 1);
}

// @ts-ignore: decorator
@inline export function id(): u32 {
  return load<u32>(answer, 4);
}

/** The address whose kind is here. */
export function takeAddress(from: usize, unix: u8 = 1): Address {
  const host = takeString(load<u32>(from, 4), load<u32>(from, 8));
  return load<u8>(from) == unix ? new Address(host, 0, true) : new Address(host, load<u16>(from, 12));
}
