-- CreateEnum
CREATE TYPE "role" AS ENUM ('admin', 'analyst', 'viewer');

-- CreateEnum
CREATE TYPE "key_scope" AS ENUM ('read', 'write');

-- AlterTable
ALTER TABLE "alias_moves" ADD COLUMN     "reason" TEXT NOT NULL DEFAULT '';

-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "expires_at" TIMESTAMPTZ(3),
ADD COLUMN     "scope" "key_scope" NOT NULL DEFAULT 'write';

-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "import_id" TEXT;

-- AlterTable
ALTER TABLE "predictions" ADD COLUMN     "report" JSONB;

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "disabled_at" TIMESTAMPTZ(3),
ADD COLUMN     "role" "role" NOT NULL DEFAULT 'admin';

-- CreateTable
CREATE TABLE "job_log" (
    "job_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "message" TEXT NOT NULL,

    CONSTRAINT "job_log_pkey" PRIMARY KEY ("job_id","number")
);

-- CreateTable
CREATE TABLE "model_imports" (
    "id" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "model_name" TEXT NOT NULL,
    "files" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "model_imports_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "via" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "resource_type" TEXT,
    "resource_id" TEXT,
    "details" JSONB NOT NULL,
    "request_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "model_imports_job_id_key" ON "model_imports"("job_id");

-- CreateIndex
CREATE INDEX "audit_entries_created_at_id_idx" ON "audit_entries"("created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_actor_created_at_id_idx" ON "audit_entries"("actor", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_resource_type_resource_id_created_at_id_idx" ON "audit_entries"("resource_type", "resource_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "model_versions_import_id_key" ON "model_versions"("import_id");

-- CreateIndex
CREATE INDEX "users_created_at_id_idx" ON "users"("created_at", "id");

-- AddForeignKey
ALTER TABLE "job_log" ADD CONSTRAINT "job_log_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_imports" ADD CONSTRAINT "model_imports_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_versions" ADD CONSTRAINT "model_versions_import_id_fkey" FOREIGN KEY ("import_id") REFERENCES "model_imports"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Users and keys of earlier versions could do everything; new ones must say what they may.
ALTER TABLE "users" ALTER COLUMN "role" DROP DEFAULT;
ALTER TABLE "api_keys" ALTER COLUMN "scope" DROP DEFAULT;
