-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "leaderboard_id" TEXT;

-- CreateTable
CREATE TABLE "leaderboards" (
    "id" TEXT NOT NULL,
    "dataset_id" TEXT,
    "job_id" TEXT NOT NULL,
    "model_name" TEXT,
    "options" JSONB NOT NULL,
    "report" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "leaderboards_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alias_moves" (
    "id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "alias" TEXT NOT NULL,
    "number" INTEGER,
    "former" INTEGER,
    "forced" BOOLEAN NOT NULL,
    "gates" JSONB NOT NULL,
    "moved_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "alias_moves_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "leaderboards_job_id_key" ON "leaderboards"("job_id");

-- CreateIndex
CREATE INDEX "leaderboards_created_at_id_idx" ON "leaderboards"("created_at", "id");

-- CreateIndex
CREATE INDEX "leaderboards_dataset_id_created_at_id_idx" ON "leaderboards"("dataset_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "alias_moves_model_id_created_at_id_idx" ON "alias_moves"("model_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "model_versions_leaderboard_id_key" ON "model_versions"("leaderboard_id");

-- AddForeignKey
ALTER TABLE "leaderboards" ADD CONSTRAINT "leaderboards_dataset_id_fkey" FOREIGN KEY ("dataset_id") REFERENCES "datasets"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "leaderboards" ADD CONSTRAINT "leaderboards_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_versions" ADD CONSTRAINT "model_versions_leaderboard_id_fkey" FOREIGN KEY ("leaderboard_id") REFERENCES "leaderboards"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "alias_moves" ADD CONSTRAINT "alias_moves_model_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE ON UPDATE CASCADE;
