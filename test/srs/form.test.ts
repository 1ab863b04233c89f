import { describe, expect, test } from "vitest";
import { isSeparator, parseSrs, srsTag } from "../../src/srs/form.ts";

describe("srsTag", () => {
  test.each(["SRS0=", "srs0=x", "SrS0+x", "SRS0-"])("finds tag 0 in %j", (local) => expect(srsTag(local)).toBe(0));
  test.each(["SRS1=", "srs1+x", "SRS1-x"])("finds tag 1 in %j", (local) => expect(srsTag(local)).toBe(1));
  test.each([
    "",
    "S",
    "SRS",
    "SRS0",
    "SRS1",
    "SRS2=x",
    "SRS/=x",
    "SRS0_x",
    "SRS0 =",
    "XSRS0=",
    "SRS\xb0=",
    "\x13RS0=",
    "S2S0=",
  ])("finds none in %j", (local) => expect(srsTag(local)).toBeUndefined());
});

describe("parseSrs", () => {
  const parse = (local: string) => {
    const tag = srsTag(local);
    return tag === undefined ? undefined : parseSrs(tag, local);
  };

  test.each([
    { local: "SRS0=h=2W=x.org=alice", fields: { tag: 0, hash: "h", stamp: "2W", host: "x.org", user: "alice" } },
    { local: "srs0+h=2W=x.org=a=b=", fields: { tag: 0, hash: "h", stamp: "2W", host: "x.org", user: "a=b=" } },
    { local: "SRS0-====", fields: { tag: 0, hash: "", stamp: "", host: "", user: "=" } },
    { local: "SRS0====", fields: { tag: 0, hash: "", stamp: "", host: "", user: "" } },
    { local: "SRS1=h=x.org==h=2W=y=z", fields: { tag: 1, hash: "h", host: "x.org", opaque: "=h=2W=y=z" } },
    { local: "SRS1+h=x.org=", fields: { tag: 1, hash: "h", host: "x.org", opaque: "" } },
    { local: "SRS1+==", fields: { tag: 1, hash: "", host: "", opaque: "" } },
  ])("takes $local apart", ({ local, fields }) => {
    expect(parse(local)).toEqual(fields);
  });

  test.each(["alice", "SRS0=", "SRS0=h", "SRS0=h=2W", "SRS0=h=2W=x.org", "SRS1=", "SRS1=h", "SRS1=h=x.org"])(
    "misses a field in %j",
    (local) => expect(parse(local)).toBeUndefined(),
  );
});

test("isSeparator knows three", () => {
  const separators = Array.from({ length: 256 }, (_, code) => code).filter(isSeparator);
  expect(String.fromCharCode(...separators)).toBe("+-=");
});
