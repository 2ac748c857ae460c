/** The demo model inside this installation, beside the models that can be pulled. */
import { demoModelFolder, readDemoModelManifest } from "@ls/demo-model";
import { type ListedModel, listModels } from "@ls/models";

/** How commands name the bundled model. */
export const DEMO_MODEL_NAME = "latentsync-demo";

export const DEMO_MODEL_NOTICE =
  "No model was named and none has been pulled: this is the small demo model, trained on drawn faces. The real one: latentsync-ts models pull latentsync-1.6";

/** The folder of the bundled model for its name; every other name as it is. */
export function locateModel(name: string): string {
  return name === DEMO_MODEL_NAME ? demoModelFolder() : name;
}

/** The model to take where none is named: the newest that was pulled, or else the bundled one. */
export async function defaultModel(): Promise<string> {
  const pulled = (await listModels()).filter(({ isPulled }) => isPulled).map(({ name }) => name);
  return pulled.toSorted().at(-1) ?? DEMO_MODEL_NAME;
}

/** A model that has a name here. */
export interface KnownModel extends ListedModel {
  /** Whether it came with this installation. */
  readonly isBundled: boolean;
}

/** The published models and the bundled one, and which of them are on this machine. */
export async function listKnownModels(): Promise<readonly KnownModel[]> {
  const published = await listModels();
  const { licence, files } = await readDemoModelManifest();
  const url = "https://www.npmjs.com/package/@ls/demo-model";
  return [
    ...published.map((model) => Object.assign({ isBundled: false }, model)),
    {
      name: DEMO_MODEL_NAME,
      isPulled: false,
      isBundled: true,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      licences: [{ what: "Demo weights", licence, url }],
    },
  ];
}
