// The host: the imports of module adp_v1, or the fake of test.ts where ADP_FAKE is defined, as the test runner does.
import * as fake from "./fake";

@external("adp_v1", "emit") declare function emitImport(port: u32, array: usize): i32;
@external("adp_v1", "log") declare function logImport(level: i32, text: usize, len: usize): i32;
@external("adp_v1", "config") declare function configImport(key: usize, keyLen: usize, buf: usize, cap: usize): i64;
@external("adp_v1", "clock") declare function clockImport(): i64;
@external("adp_v1", "random") declare function randomImport(buf: usize, len: usize): i32;
@external("adp_v1", "metric") declare function metricImport(kind: i32, name: usize, nameLen: usize, value: f64): i32;
@external("adp_v1", "state_get") declare function stateGetImport(key: usize, keyLen: usize, buf: usize, cap: usize): i64;
@external("adp_v1", "state_put") declare function statePutImport(key: usize, keyLen: usize, value: usize, valueLen: usize): i32;
@external("adp_v1", "state_delete") declare function stateDeleteImport(key: usize, keyLen: usize): i32;
@external("adp_v1", "state_scan")
declare function stateScanImport(prefix: usize, prefixLen: usize, after: usize, afterLen: usize, buf: usize, cap: usize): i64;
@external("adp_v1", "driver_open") declare function driverOpenImport(binding: u32, request: usize, requestLen: usize): i64;
@external("adp_v1", "driver_next") declare function driverNextImport(reader: u32, buf: usize, cap: usize): i64;
@external("adp_v1", "driver_close") declare function driverCloseImport(reader: u32): i32;
@external("adp_v1", "driver_write") declare function driverWriteImport(binding: u32, array: usize): i32;
@external("adp_v1", "decide") declare function decideImport(request: usize, requestLen: usize, buf: usize, cap: usize): i64;

export function emit(port: u32, array: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.emit(port, array);
  else return emitImport(port, array);
}

export function log(level: i32, text: usize, len: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.log(level, text, len);
  else return logImport(level, text, len);
}

export function config(key: usize, keyLen: usize, buf: usize, cap: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.config(key, keyLen, buf, cap);
  else return configImport(key, keyLen, buf, cap);
}

export function clock(): i64 {
  if (isDefined(ADP_FAKE)) return fake.clock();
  else return clockImport();
}

export function random(buf: usize, len: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.random(buf, len);
  else return randomImport(buf, len);
}

export function metric(kind: i32, name: usize, nameLen: usize, value: f64): i32 {
  if (isDefined(ADP_FAKE)) return fake.metric(kind, name, nameLen, value);
  else return metricImport(kind, name, nameLen, value);
}

export function stateGet(key: usize, keyLen: usize, buf: usize, cap: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.stateGet(key, keyLen, buf, cap);
  else return stateGetImport(key, keyLen, buf, cap);
}

export function statePut(key: usize, keyLen: usize, value: usize, valueLen: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.statePut(key, keyLen, value, valueLen);
  else return statePutImport(key, keyLen, value, valueLen);
}

export function stateDelete(key: usize, keyLen: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.stateDelete(key, keyLen);
  else return stateDeleteImport(key, keyLen);
}

export function stateScan(prefix: usize, prefixLen: usize, after: usize, afterLen: usize, buf: usize, cap: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.stateScan(prefix, prefixLen, after, afterLen, buf, cap);
  else return stateScanImport(prefix, prefixLen, after, afterLen, buf, cap);
}

export function driverOpen(binding: u32, request: usize, requestLen: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.driverOpen(binding, request, requestLen);
  else return driverOpenImport(binding, request, requestLen);
}

export function driverNext(reader: u32, buf: usize, cap: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.driverNext(reader, buf, cap);
  else return driverNextImport(reader, buf, cap);
}

export function driverClose(reader: u32): i32 {
  if (isDefined(ADP_FAKE)) return fake.driverClose(reader);
  else return driverCloseImport(reader);
}

export function driverWrite(binding: u32, array: usize): i32 {
  if (isDefined(ADP_FAKE)) return fake.driverWrite(binding, array);
  else return driverWriteImport(binding, array);
}

export function decide(request: usize, requestLen: usize, buf: usize, cap: usize): i64 {
  if (isDefined(ADP_FAKE)) return fake.decide(request, requestLen, buf, cap);
  else return decideImport(request, requestLen, buf, cap);
}
