import { EvaluationReport, ModelManifest, ModelVersion } from '@clove/contracts';
import { check, json, notFound, type Queryable } from './database.js';
import { newId } from './ids.js';
import { CHAMPION } from './models.js';
import type { VersionFile } from './registry.js';
import { modelKey } from './tenancy.js';

/** The model of that name, made if it is new, and its next number; others wait for it until the transaction ends. */
async function nextVersion(
  tx: Queryable,
  tenantId: string,
  name: string,
): Promise<{ modelId: string; number: number }> {
  const [row] = await tx.$queryRaw<{ modelId: string; number: number }[]>`
    INSERT INTO models (id, tenant_id, name, label, last_version)
    VALUES (${newId('model')}, ${tenantId}, ${modelKey(tenantId, name)}, ${name}, 1)
    ON CONFLICT (name) DO UPDATE SET last_version = models.last_version + 1
    RETURNING id AS "modelId", last_version AS "number"`;
  if (row === undefined) throw notFound('model', name);
  return row;
}

/**
 * Registers a version and the evaluation that it was made with, if there is one: the model is made if it is new, the number is the last one
 * plus 1, and the first version of a model becomes its champion.
 * @param asked what the run, the leaderboard or the import says: whose it is, of which model, on which data
 * @param tx a transaction that holds the run, the leaderboard or the import, so that none makes two versions
 */
export async function addVersion(
  tx: Queryable,
  asked: { tenantId: string; modelName: string; datasetId: string | null },
  madeBy: { runId: string } | { leaderboardId: string } | { importId: string },
  made: { versionId: string; manifest: ModelManifest; evaluation: EvaluationReport | null; artifacts: VersionFile[] },
): Promise<void> {
  const versionId = check(ModelVersion.shape.id, made.versionId, 'version id');
  const manifest = check(ModelManifest, made.manifest, 'model manifest');
  const report = made.evaluation === null ? null : check(EvaluationReport, made.evaluation, 'evaluation report');
  const artifacts = check(ModelVersion.shape.artifacts, made.artifacts, 'list of artifacts');
  const { modelId, number } = await nextVersion(tx, asked.tenantId, asked.modelName);
  await tx.modelVersion.create({
    data: {
      id: versionId,
      modelId,
      number,
      ...madeBy,
      type: manifest.type,
      kind: manifest.kind,
      manifest: json(manifest),
      artifacts: json(artifacts),
    },
  });
  if (number === 1) await tx.modelAlias.create({ data: { modelId, alias: CHAMPION, number } });
  if (report === null) return;
  await tx.evaluation.create({
    data: {
      id: newId('evaluation'),
      ...('runId' in madeBy ? madeBy : {}),
      tenantId: asked.tenantId,
      versionId,
      datasetId: asked.datasetId,
      testOrigin: report.protocol.testOrigin,
      report: json(report),
    },
  });
}
