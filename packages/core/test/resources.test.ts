import { describe, expect, it } from "vitest";
import { Resources } from "../src/resources.ts";

describe("Resources", () => {
  it("are put away last one first, all of them, once", async () => {
    const order: string[] = [];
    const resources = new Resources();
    const item = { [Symbol.asyncDispose]: async () => void order.push("first") };
    expect(resources.use(item)).toBe(item);
    resources.defer(async () => {
      order.push("second");
      throw new Error("stuck");
    });
    resources.defer(async () => void order.push("third"));
    await expect(resources[Symbol.asyncDispose]()).rejects.toThrow(AggregateError);
    await resources[Symbol.asyncDispose]();
    expect(order).toEqual(["third", "second", "first"]);
  });
});
