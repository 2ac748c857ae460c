/** The report as a Markdown table. */
import type { QualityReport, VariantReport } from "./quality-report.ts";

const COLUMNS = [
  "setting",
  "whole + shallow forwards a chunk",
  "work",
  "time",
  "correlation with the speech",
  "PSNR to the true mouth",
  "PSNR to exact",
  "lowest",
  "SSIM to exact",
  "cosine of latents",
] as const;

export function formatTable({ variants }: QualityReport): string {
  const lines = [
    COLUMNS,
    COLUMNS.map((_, index) => (index === 0 ? "---" : "---:")),
    ...variants.map(row),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function row(variant: VariantReport): readonly string[] {
  const { figures, lever, name, fullForwards, shallowForwards } = variant;
  const isExact = name === "exact";
  const decibels = (value: number): string => (isExact ? "equal" : `${value.toFixed(1)} dB`);
  return [
    lever === "presets" ? `**${name}**` : name,
    shallowForwards === 0 ? `${fullForwards}` : `${fullForwards} + ${shallowForwards}`,
    variant.relativeWork.toFixed(2),
    variant.relativeSeconds?.toFixed(2) ?? "",
    figures.newSpeech.toFixed(3),
    `${figures.psnrToTruthDb.toFixed(2)} dB`,
    decibels(figures.psnrToExactDb),
    decibels(variant.lowestPsnrToExactDb),
    isExact ? "1" : figures.ssimToExact.toFixed(4),
    isExact ? "1" : figures.latentCosine.toFixed(5),
  ];
}
