-- AlterTable
ALTER TABLE "datasets" ADD COLUMN     "erased_at" TIMESTAMPTZ(3),
ADD COLUMN     "erased_customers" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "revision" TEXT;

-- AlterTable
ALTER TABLE "predictions" ADD COLUMN     "revision" TEXT;

-- CreateTable
CREATE TABLE "erasures" (
    "id" TEXT NOT NULL,
    "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000',
    "job_id" TEXT NOT NULL,
    "asked" INTEGER NOT NULL,
    "customers" JSONB,
    "clean_since" TIMESTAMPTZ(3),
    "result" JSONB NOT NULL,
    "replaced" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "erasures_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "erasures_job_id_key" ON "erasures"("job_id");

-- CreateIndex
CREATE INDEX "erasures_tenant_id_created_at_id_idx" ON "erasures"("tenant_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "erasures" ADD CONSTRAINT "erasures_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "jobs"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "erasures" ADD CONSTRAINT "erasures_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

CREATE TRIGGER "erasures_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id" ON "erasures"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs');
